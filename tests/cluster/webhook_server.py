"""A mutating webhook in a pod: it labels each pod that it sees. Standard library only.

Environment: ``CERTIFICATES`` is the folder with ``tls.crt`` and ``tls.key``.
"""

import base64
import json
import os
import signal
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8443
PATCH = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]


class Handler(BaseHTTPRequestHandler):
    """Greets whoever asks, and answers admission reviews."""

    def do_GET(self) -> None:
        self._answer(f"hello from {os.environ['HOSTNAME']}".encode())

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        review["response"] = {
            "uid": review["request"]["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(PATCH).encode()).decode(),
        }
        self._answer(json.dumps(review).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(os.environ["CERTIFICATES"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    server = ThreadingHTTPServer(("", PORT), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
