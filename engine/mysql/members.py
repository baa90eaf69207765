"""SQL of what an ENUM or SET makes of a text: it goes by the members' names, as the column's collation compares them."""

from engine.mysql.shown import in_utf8, literal
from engine.mysql.tables import Column


def in_members(value: str, old: Column, new: Column) -> str:
    """*value*, of the column *old*, as it reads once it is stored in *new*: each member as spelled there, a SET's in its order.

    Of an ENUM it is NULL where there is no such member; what a SET has not is left out. The '' that an ENUM has in place of
    what was none of its members, by the number 0, stays that.
    """
    compared = f"CONVERT({value} USING {new.charset}) COLLATE {new.collation}"
    members = [in_utf8(literal(member)) for member in new.members]
    if new.data_type == "set":
        found = (f"IF(FIND_IN_SET({one}, {compared}) > 0, {one}, NULL)" for one in members)
        return f"CONCAT_WS(_utf8mb4',', {', '.join(found)})"
    listed = ", ".join(members)
    at = f"FIELD({compared}, {listed})"
    if not old.members:  # spaces behind it are not minded, and what is no member may be the number of one
        at = f"FIELD(TRIM(TRAILING ' ' FROM {compared}), {listed})"
        at = f"COALESCE(NULLIF({at}, 0), IF({value} REGEXP _utf8mb4'^[0-9]+$', {value}, 0))"
    member = f"ELT({at}, {listed})"
    return f"IF({value} + 0 = 0, _utf8mb4'', {member})" if old.data_type == "enum" else member


def reads_alike(old: Column, new: Column) -> bool:
    """Whether every value that *new* takes of *old* reads there as it did."""
    if old.data_type == "set" == new.data_type:
        kept = [member for member in new.members if member in old.members]
        return kept == list(old.members)
    return old.data_type == "enum" and set(old.members) <= set(new.members)
