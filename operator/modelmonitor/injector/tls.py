"""A TLS server whose certificate can be exchanged while it runs."""

import os
import ssl

from cryptography import x509


class HotCertificate:
    """A server context; connections made after `load` get the certificate that it brought."""

    def __init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded = b""

    @property
    def loaded(self) -> bool:
        """Whether there is a certificate to serve with."""
        return bool(self._loaded)

    def load(self, chain: bytes, key: bytes) -> float | None:
        """Serve with this chain and key from now on.

        Parameters
        ----------
        chain
            The certificate, then its issuers, PEM.
        key
            Its private key, PEM.

        Returns
        -------
        float or None
            When the certificate expires, seconds since the epoch; None if it was in use already.

        Raises
        ------
        ValueError
            If chain or key cannot be read, or do not belong together.
        """
        together = chain.rstrip() + b"\n" + key
        if together == self._loaded:
            return None
        expiry = x509.load_pem_x509_certificate(chain).not_valid_after_utc
        try:
            self._load(together)
        except ssl.SSLError as error:
            raise ValueError(f"certificate and key do not fit: {error}") from error
        self._loaded = together
        return expiry.timestamp()

    def _load(self, together: bytes) -> None:
        # The ssl module reads files only, and a private key has no business on a disk.
        descriptor = os.memfd_create("certificate")
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(together)
            self.context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
