"""Several processes that share the tests read the same modules: each begins elsewhere, and the others go on from its bytecode.

Reading a module, with what pytest makes of its asserts, takes three times as long as running what was written down of it.
"""

import importlib
import sys
from contextlib import suppress
from pathlib import Path

_HERE = Path(__file__).parent


def read_in_turns(number: int, of: int) -> None:
    """Import the modules of the tests, those first that are the turn of process *number* of so many."""
    sys.dont_write_bytecode = False
    names = sorted(
        ".".join(path.relative_to(_HERE.parent).with_suffix("").parts) for path in _HERE.rglob("test_*.py")
    )
    first = number * len(names) // of
    for name in names[first:] + names[:first]:
        with suppress(Exception):  # the collection meets it again, and tells of it
            importlib.import_module(name)
