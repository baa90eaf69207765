"""What can be wrong with a server for tests, named for what to do about it."""


class ServerMissing(Exception):
    """No server of this flavour can be had on this machine; the text says what to do about it."""


class ServerBroken(Exception):
    """There is a program, but no server came of it; the text carries the end of its log."""


class NotOurs(Exception):
    """The server was named by the environment: it can be used but not stopped."""
