"""How InnoDB's dictionary calls tables: schema/table, in the letters of a file's name."""

import re


def file_name(name: str) -> str:
    """A pattern for a name as InnoDB's dictionary has it: what is neither ASCII letter, digit nor _ in hexadecimal, most letters
    beyond ASCII by codes of their own. Two names that differ in those alone are taken for one.
    """
    return re.sub(
        r"[^0-9A-Za-z_]",
        lambda found: f"@{ord(found[0]):04x}" if found[0].isascii() else "@(?:[0-9a-f]{4}|[0-9A-Za-z]{2})",
        name,
    )


def table_pattern(schema: str, table: str) -> str:
    """A pattern for a table's name there, and for those of its partitions. Names of devices (aux, con) have a tail of @@@."""
    return f"^{file_name(schema)}(?:@@@)?/{file_name(table)}(?:@@@)?(?:#[Pp]#.*)?$"
