"""How a connection to a target is encrypted, as its DSN says."""

import ssl
from typing import Any

from engine.mysql.address import Address
from engine.mysql.trouble import Trouble


def tls_options(address: Address) -> dict[str, Any]:
    """The driver's options. Given a context, it insists on TLS; given none, it reads all authorities each time, 40 ms.

    Trouble when a file of the DSN cannot be used: it may be one that is just renewed while a copy goes on for days.
    """
    if address.ssl_mode == "disabled" or address.socket:
        return {"ssl_disabled": True}
    context = _checking(address) if address.ssl_mode.startswith("verify") else _trusting()
    if address.ssl_cert:
        try:
            # A key with a passphrase would ask on the terminal: give it none instead.
            context.load_cert_chain(address.ssl_cert, address.ssl_key, password=lambda: b"")
        except (OSError, ValueError) as error:
            files = f"ssl_cert {address.ssl_cert} and ssl_key {address.ssl_key or address.ssl_cert}"
            what = "are no certificate and key in PEM that belong together, without a passphrase"
            raise _unusable(address, files, what, error) from error
    return {"ssl": context}


def _checking(address: Address) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=address.ssl_ca)
    except OSError as error:
        raise _unusable(address, f"ssl_ca {address.ssl_ca}", "has no certificate in PEM", error) from error
    context.check_hostname = address.ssl_mode == "verify_identity"
    # Servers make their own certificates, and these leave out what the strict check asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _unusable(address: Address, files: str, what: str, error: Exception) -> Trouble:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        what = f"cannot be read: {error.strerror}"
    return Trouble(
        f"{address}: {files} of the dsn {what}: correct the dsn, or the file there, its owner and mode", 0
    )
