"""What the file of a pulled table is called."""

import hashlib
import re
from urllib.parse import quote

LONGEST = 200
"""Characters, all of them ASCII: file systems take 255 bytes, some that encrypt names fewer."""


def file_name(table: str) -> str:
    """The table's name; what a file system may not like is percent-encoded. One too long keeps its beginning."""
    encoded = quote(table, safe=" ()+,@")
    if len(encoded) + len(".sql") <= LONGEST:
        return f"{encoded}.sql"
    end = f"~{hashlib.sha256(table.encode()).hexdigest()[:16]}.sql"
    kept = re.sub(r"%.?\Z", "", encoded[: LONGEST - len(end)])
    return f"{kept}{end}"
