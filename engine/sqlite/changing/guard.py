"""Rows that SQLite would take into the new table without a word, but as something else: they are refused.

The plan read the rows that were there then; this looks at every row as it is copied, also at those written since.
"""

import apsw

from engine.errors import Refused
from engine.sqlite.affinity import loses
from engine.sqlite.changing.comparison import affinities
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import Rebuild
from engine.sqlite.walking import rowid_column


class RowGuard:
    """What no row of the source may be, to arrive in the (existing) shadow as what it is."""

    def __init__(self, connection: apsw.Connection, rebuild: Rebuild) -> None:
        self._connection = connection
        self._rebuild = rebuild
        kinds = affinities(connection, rebuild.shadow)
        self._reasons = [
            (loses(f"s.{quote_name(old)}", kinds[new.lower()]), f'column "{new}" would not keep its value')
            for new, old in rebuild.columns
            if new in rebuild.exact
        ]
        rowid = rowid_column(connection, rebuild.shadow)
        source = dict(rebuild.columns).get(rowid or "")
        if source is not None and source != rowid_column(connection, rebuild.source):
            self._reasons.append(
                (f"s.{quote_name(source)} IS NULL", f'column "{rowid}" is NULL and would get a number')
            )

    def check(self, where: str, shown: str) -> None:
        """Refused, naming the first such row of the source (alias s) among those that *where* selects by its key *shown*."""
        if not self._reasons:
            return
        cases = " ".join(f"WHEN {condition} THEN {at}" for at, (condition, _) in enumerate(self._reasons))
        row = self._connection.execute(
            f"""
            SELECT shown, reason
              FROM (SELECT {shown} AS shown, CASE {cases} END AS reason
                      FROM {quote_name(self._rebuild.source)} AS s WHERE {where})
             WHERE reason IS NOT NULL LIMIT 1
            """
        ).get
        if row is not None:
            raise Refused(
                f"{self._rebuild.table}: a row does not fit the new definition: {self._reasons[row[1]][1]} "
                f"(in the row with {row[0]}); nothing was changed: correct the row or the definition, then plan again"
            )
