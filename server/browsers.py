"""Keeps web pages of others out while no token is configured: a page in the user's browser can reach this machine, too."""

from server.api.answers import Forbidden
from server.config import is_loopback
from server.requests import Request


def refuse_foreign_pages(request: Request, listen_host: str, scheme: str) -> None:
    """Forbidden for what a page that is not ours made the browser send. For daemons without tokens.

    A browser names the page in `Origin`; where it does not (reading, from a name that was pointed at this machine after the
    page was loaded), the name in `Host` is not one of ours.
    """
    host = request.headers.get("host", "")
    name = host.rpartition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
    if name and not is_loopback(name) and name != listen_host:
        raise Forbidden(f"requests for the host name {name!r} are refused while no token is configured")
    ours = f"{scheme}://{host}"
    if request.headers.get("origin", ours) != ours:
        raise Forbidden("requests from web pages are refused while no token is configured")
