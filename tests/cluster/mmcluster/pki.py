"""Certificates, keys and kubeconfigs: one authority for the cluster, one for the front proxy."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from .shell import run, write

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS = ("-days", "3650")
CLIENT = "clientAuth"
SERVER = "serverAuth"
BOTH = "serverAuth,clientAuth"


@dataclass(frozen=True)
class Pki:
    """The key material in one folder; everything is created once and kept."""

    folder: Path

    def certificate(self, name: str) -> Path:
        """Return the path of a certificate."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return the path of a private key."""
        return self.folder / f"{name}.key"

    def authority(self, name: str) -> None:
        """Create a self-signed authority."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.certificate(name).exists():
            usage = "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign"
            subject = ("-subj", f"/CN={name}", "-addext", usage)
            run("openssl", "req", "-x509", *_NEW_KEY, *_DAYS, *subject, *self._output(name))

    def issue(
        self, name: str, subject: str, *, usage: str = CLIENT, san: str = "", by: str = "ca"
    ) -> None:
        """Create a certificate signed by the authority ``by``.

        ``subject`` is written as ``/O=…/CN=…``, ``san`` as ``DNS:…,IP:…``.
        """
        if self.certificate(name).exists():
            return
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            f"extendedKeyUsage={usage}",
        ]
        if san:
            extensions.append(f"subjectAltName={san}")
        added = [part for extension in extensions for part in ("-addext", extension)]
        signer = ("-CA", self.certificate(by), "-CAkey", self.key(by))
        command = ("openssl", "req", "-x509", *_NEW_KEY, *_DAYS, "-subj", subject, *signer)
        run(*command, *added, *self._output(name))

    def service_account_key(self) -> None:
        """Create the key pair that signs service account tokens (``sa.key``, ``sa.pub``)."""
        public = self.folder / "sa.pub"
        if not public.exists():
            private = self.key("sa")
            curve = ("-name", "prime256v1", "-genkey", "-noout")
            run("openssl", "ecparam", *curve, "-out", private)
            run("openssl", "ec", "-in", private, "-pubout", "-out", public)

    def kubeconfig(self, path: Path, *, user: str, server: str) -> Path:
        """Write a kubeconfig that holds its certificates, for ``user``'s certificate."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "modelmonitor",
            "clusters": [
                {
                    "name": "modelmonitor",
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": _encoded(self.certificate("ca")),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _encoded(self.certificate(user)),
                        "client-key-data": _encoded(self.key(user)),
                    },
                }
            ],
            "contexts": [
                {"name": "modelmonitor", "context": {"cluster": "modelmonitor", "user": user}}
            ],
        }
        return write(path, json.dumps(config, indent=1), mode=0o600)

    def _output(self, name: str) -> tuple[str | Path, ...]:
        return ("-keyout", self.key(name), "-out", self.certificate(name))


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
