"""One line per decision: what strangers named, or a database said, can neither begin a line of its own nor reorder one."""

import logging
import sys

from server.texts import one_line

FORMAT = "%(asctime)s %(levelname)-7s %(threadName)s %(message)s"


class OneLine(logging.Formatter):
    """Messages on one line; a traceback follows indented, so that no line of it looks like a message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The line, without line ends and control characters."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 - the library's name
        """The traceback, indented."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"  | {one_line(line)}" for line in text.splitlines())


def log_to_stderr(level: int) -> None:
    """Log from *level* on to stderr, in this shape."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
