"""The certificate the API shows: read from files, and read again when they were renewed."""

import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often the files are looked at; connections that are open already keep what they began with."""


class BadCertificate(Exception):
    """The files cannot be used; the text names them and never quotes them."""


class Certificate:
    """A certificate (with its chain) and its key, both PEM. Raises BadCertificate."""

    def __init__(self, certificate: Path, key: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._certificate = certificate
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._context = self._load()
        self._looked_at = clock()

    def context(self) -> ssl.SSLContext:
        """What to encrypt a new connection with. Renewed files that cannot be used leave the old ones in force."""
        with self._lock:
            now = self._clock()
            if now - self._looked_at >= LOOK_SECONDS:
                self._looked_at = now
                self._look()
            return self._context

    def _look(self) -> None:
        try:
            stamps = self._stamps()
            if stamps != self._seen:
                self._context = self._load()
                self._seen = stamps
                log.info("the certificate %s was renewed", self._certificate)
        except BadCertificate as error:
            log.error("the old certificate stays in force: %s", error)

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        try:
            stats = [path.stat() for path in (self._certificate, self._key)]
        except OSError as error:
            raise BadCertificate(f"{error.filename} cannot be read: {error.strerror}") from error
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # A key with a passphrase would ask on the terminal: give it none instead.
            context.load_cert_chain(self._certificate, self._key, password=lambda: b"")
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else str(error)
            raise BadCertificate(
                f"{self._certificate} and {self._key} are no certificate and key in PEM that belong together, "
                f"without a passphrase: {reason}"
            ) from error
        return context
