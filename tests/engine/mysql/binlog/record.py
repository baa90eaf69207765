"""Records short binary logs of both servers, for tests without a server: `python -m tests.engine.mysql.binlog.record`.

For each it writes recorded/NAME.bin, a log file as the server wrote it, and recorded/NAME.json: the server, the watched tables,
and where the server said that the last transaction ended.
"""

import json
from dataclasses import asdict
from pathlib import Path

from engine.mysql.address import parse_address
from engine.mysql.binlog.position import end_of_log
from engine.mysql.binlog.watched import Key, watch
from engine.mysql.catalog import read_table
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.shadow.keys import row_key
from tests.servers.flavours import ACCOUNT, FLAVOURS
from tests.servers.private import PrivateServer

FOLDER = Path(__file__).parent / "recorded"

TABLES = {
    "item": "CREATE TABLE rec.item (id BIGINT PRIMARY KEY, name VARCHAR(300), n INT, doc JSON)",
    "pair": "CREATE TABLE rec.pair (t TEXT, b BINARY(4), at DATETIME(3), s VARCHAR(20) COLLATE utf8mb4_bin, "
    "PRIMARY KEY (s, at, b))",
}
DOCUMENT = json.dumps({"a": "x" * 100, "b": 1})
STATEMENTS = [
    f"INSERT INTO rec.item VALUES (1, 'one', 1, '{DOCUMENT}'), (-2, NULL, 2, NULL), (3, 'three', NULL, '{DOCUMENT}')",
    "INSERT INTO rec.pair VALUES ('t', x'61000000', '2026-01-02 03:04:05.678', 'ä€'), (NULL, x'0062', '0001-01-01', '')",
    "UPDATE rec.item SET n = 5, id = id + 100 WHERE id > 0",
    "UPDATE rec.pair SET s = CONCAT(s, '+')",
    "CREATE TABLE rec.other (i INT PRIMARY KEY)",
    "INSERT INTO rec.other VALUES (1), (2)",
    *(
        "BEGIN",
        "UPDATE rec.item SET n = 6 WHERE id = -2",
        "SAVEPOINT s",
        "DELETE FROM rec.item WHERE id = 101",
    ),
    *("ROLLBACK TO s", "UPDATE rec.item SET name = 'new' WHERE id = 103", "COMMIT"),
    *(
        "XA START 'x'",
        "UPDATE rec.item SET n = 7 WHERE id = 103",
        "XA END 'x'",
        "XA PREPARE 'x'",
        "XA COMMIT 'x'",
    ),
    "SET SESSION binlog_row_image = MINIMAL",
    "UPDATE rec.pair SET t = 'changed', at = '2030-01-01 00:00:00.001' WHERE b = x'61000000'",
    "DELETE FROM rec.item WHERE id = -2",
    "SET SESSION binlog_row_image = FULL",
]
COMPRESSED = [
    "BEGIN",
    "INSERT INTO rec.item (id, name) VALUES (7, REPEAT('a', 300)), (8, REPEAT('b', 300))",
    "UPDATE rec.item SET name = REPEAT('c', 300) WHERE id = 7",
    "COMMIT",
]
OF = {
    "mysql": [
        "SET SESSION binlog_row_value_options = PARTIAL_JSON",
        "UPDATE rec.item SET doc = JSON_SET(doc, '$.b', 2) WHERE id = 101",
        "SET SESSION binlog_row_value_options = ''",
        "SET SESSION binlog_transaction_compression = ON",
        *COMPRESSED,
    ],
    "mariadb": ["SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10", *COMPRESSED],
}
_FIRST, _SECOND = "TIMESTAMP'2026-01-02 03:04:05.678'", "TIMESTAMP'0001-01-01 00:00:00.000'"
_A, _B = "_binary x'61000000'", "_binary x'00620000'"
EXPECTED: dict[str, set[Key]] = {
    "item": {("1",), ("-2",), ("3",), ("101",), ("103",), ("7",), ("8",)},
    "pair": {
        ("_utf8mb4 x'c3a4e282ac'", _FIRST, _A),
        ("_utf8mb4 x''", _SECOND, _B),
        ("_utf8mb4 x'c3a4e282ac2b'", _FIRST, _A),
        ("_utf8mb4 x'2b'", _SECOND, _B),
        ("_utf8mb4 x'c3a4e282ac2b'", "TIMESTAMP'2030-01-01 00:00:00.001'", _A),
    },
}
"""The keys that these statements touch, told by hand."""


def record(name: str) -> None:
    """One server's log."""
    with PrivateServer(FLAVOURS[name], options=["--binlog-checksum=CRC32"]) as server:
        with Link(parse_address(f"mysql://{ACCOUNT}@127.0.0.1:{server.port}/")) as link:
            flavour = flavour_of(link)
            link.run("CREATE DATABASE rec CHARACTER SET utf8mb4")
            for table in TABLES.values():
                link.run(table)
            watched = []
            for table in TABLES:
                found = read_table(link, "rec", table)
                assert found is not None
                watched.append(asdict(watch(found, row_key(found, found.row_key).columns)))
            link.run("FLUSH LOGS")
            start = end_of_log(link, flavour)
            for statement in STATEMENTS + OF[name]:
                link.run(statement)
            end = end_of_log(link, flavour)
            link.run("FLUSH BINARY LOGS")
        log = (server.folder / "data" / start.file).read_bytes()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.bin").write_bytes(log)
    told = {
        "server": str(flavour),
        "file": start.file,
        "end": end.offset,
        "gtid": end.gtid,
        "watched": watched,
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for each in FLAVOURS:
        record(each)
