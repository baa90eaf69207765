"""Random schemas for MySQL and MariaDB: tables, indexes, foreign keys, generated columns, checks, options, partitions."""

from dataclasses import dataclass, field
from random import Random

TABLES = ("a", "b", "c", "d e")
COLUMNS = ("id", "n", "m", "s", "t", "u", "v", "w")
KEPT = "kept"
TYPES = (
    "INT", "BIGINT", "BIGINT UNSIGNED", "SMALLINT", "DECIMAL(9,3)", "VARCHAR(20)", "VARCHAR(300)", "CHAR(8)", "TEXT", "DATE",
    "DATETIME", "DATETIME(3)", "TIMESTAMP NULL", "JSON", "VARBINARY(20)", "ENUM('x','y')", "ENUM('x','y','z')", "DOUBLE",
)  # fmt: skip
TEXTUAL = ("VARCHAR", "CHAR", "ENUM", "TEXT")
DEFAULTS = {
    "INT": "7", "BIGINT": "7", "SMALLINT": "7", "DECIMAL": "1.5", "VARCHAR": "'it''s'", "CHAR": "''", "DATE": "'2020-02-29'",
    "DATETIME": "CURRENT_TIMESTAMP", "DOUBLE": "0.5", "ENUM": "'x'",
}  # fmt: skip
COLLATIONS = ("utf8mb4_bin", "utf8mb4_unicode_ci", "latin1_bin", "latin1_swedish_ci")
OPTIONS = (
    "",
    " COLLATE utf8mb4_bin",
    " CHARSET latin1",
    " COMMENT 'x'",
    " ROW_FORMAT=COMPRESSED",
    " STATS_PERSISTENT=0",
)


@dataclass(slots=True)
class AnyTable:
    """A table in the making."""

    name: str
    key: str  # type of id
    columns: dict[str, str] = field(default_factory=dict)  # name → definition
    others: list[str] = field(default_factory=list)
    tail: str = ""

    @property
    def text(self) -> str:
        lines = [f"`id` {self.key} NOT NULL", *(f"`{n}` {d}" for n, d in self.columns.items()), *self.others]
        return f"CREATE TABLE `{self.name}` (\n  " + ",\n  ".join(lines) + f"\n){self.tail}"


def any_schema(choose: Random, number: int) -> str:
    """Statements of a schema that a server takes; in each table a column `kept<number>`, renamed from the one before."""
    names = [name for name in TABLES if choose.random() < 0.75]
    tables = {name: AnyTable(name, choose.choice(("INT", "BIGINT", "BIGINT UNSIGNED"))) for name in names}
    for table in tables.values():
        _fill(choose, table, f"{KEPT}{number}")
        table.columns[f"{KEPT}{number}"] += f" -- renamed from: {KEPT}{number - 1}\n"
    for table in tables.values():
        if "PARTITION" not in table.tail:
            _refer(choose, table, tables)
    return ";\n".join(table.text for table in tables.values()) + (";\n" if tables else "")


def _fill(choose: Random, table: AnyTable, kept: str) -> None:
    wanted = [kept, *(name for name in COLUMNS[1:] if choose.random() < 0.55)]
    choose.shuffle(wanted)
    for name in wanted:
        table.columns[name] = _column(choose)
    plain = [n for n, d in table.columns.items() if d.startswith(("INT", "BIGINT", "SMALLINT"))]
    if plain and choose.random() < 0.4:
        how = choose.choice(("VIRTUAL", "STORED"))
        table.columns["g"] = f"BIGINT AS (`{choose.choice(plain)}` + {choose.randint(1, 2)}) {how}"
    if plain and choose.random() < 0.3:
        table.others.append(
            f"CONSTRAINT `ck {table.name}` CHECK (`{choose.choice(plain)}` > {choose.randint(0, 1)})"
        )
    table.others.append("PRIMARY KEY (`id`)")
    for number in range(choose.randint(0, 3)):
        _index(choose, table, f"k{number}")
    table.tail = choose.choice(OPTIONS)
    if choose.random() < 0.15:
        table.tail += choose.choice(
            (
                f" PARTITION BY HASH (`id`) PARTITIONS {choose.randint(2, 4)}",
                " PARTITION BY RANGE (`id`) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
                " PARTITION BY RANGE (`id`) (PARTITION p0 VALUES LESS THAN (10), PARTITION p2 VALUES LESS THAN MAXVALUE)",
            )
        )
        table.others = [line for line in table.others if "UNIQUE" not in line and "FULLTEXT" not in line]


def _column(choose: Random) -> str:
    kind = choose.choice(TYPES)
    parts = [kind]
    if kind.startswith(TEXTUAL) and choose.random() < 0.3:
        parts.append(f"COLLATE {choose.choice(COLLATIONS)}")
    nullable = choose.random() < 0.7 or "NULL" in kind
    parts += [] if nullable else ["NOT NULL"]
    default = DEFAULTS.get(kind.split("(")[0].split(" ")[0])
    if default and kind != "DATETIME(3)" and choose.random() < 0.4:
        parts.append(f"DEFAULT {default}")
    if choose.random() < 0.2:
        parts.append("COMMENT 'a, (b) `c`'")
    return " ".join(parts)


def _index(choose: Random, table: AnyTable, name: str) -> None:
    fit = [n for n, d in table.columns.items() if not d.startswith(("TEXT", "JSON", "VARCHAR(300)"))]
    long = [n for n, d in table.columns.items() if d.startswith(("TEXT", "VARCHAR(300)"))]
    if long and choose.random() < 0.3:
        kind, column = choose.choice((("FULLTEXT KEY", ""), ("KEY", "(9)"))), choose.choice(long)
        table.others.append(f"{kind[0]} `{name}` (`{column}`{kind[1]})")
    elif fit:
        columns = choose.sample(fit, min(len(fit), choose.randint(1, 2)))
        unique = "UNIQUE KEY" if choose.random() < 0.25 and "g" not in columns else "KEY"
        listed = ", ".join(f"`{column}`{choose.choice(('', '', ' DESC'))}" for column in columns)
        table.others.append(f"{unique} `{name}` ({listed})")


def _refer(choose: Random, table: AnyTable, tables: dict[str, AnyTable]) -> None:
    for number in range(choose.choice((0, 0, 1, 2))):
        parent = tables[choose.choice(list(tables))]
        if "PARTITION" in parent.tail:
            continue
        column = f"r{number}"
        table.columns[column] = f"{parent.key} NULL"
        action = choose.choice(("", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON UPDATE CASCADE"))
        table.others.append(
            f"CONSTRAINT `f{number} {table.name}` FOREIGN KEY (`{column}`) REFERENCES `{parent.name}` (`id`){action}"
        )
