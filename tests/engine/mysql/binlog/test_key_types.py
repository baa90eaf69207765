"""For every type a key can have: the literals that are told find the rows they were told for, and no others."""

import random

import pytest

from engine.mysql.catalog import read_table
from engine.mysql.shadow.keys import row_key
from tests.engine.mysql.binlog.key_types import TYPES, KeyType
from tests.engine.mysql.binlog.rig import Ground

SEED = 20260101


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_a_told_key_finds_its_row_and_no_other(ground: Ground, kind: KeyType) -> None:
    if not ground.server.is_one(kind.only):
        pytest.skip(f"only {kind.only} has it")
    values = kind.values(random.Random(SEED))
    ground.run(
        f"CREATE TABLE t (before_it VARCHAR(9), k {kind.definition} NOT NULL, n INT, PRIMARY KEY (k)) CHARSET utf8mb4"
    )
    with ground.reading("t") as reading:
        kept = [
            n
            for n, value in enumerate(values)
            if ground.link.run(f"INSERT IGNORE INTO t VALUES ('x', {value}, {n})")
        ]
        assert len(kept) > 2
        reading.catch_up()
        told = list(reading.sink.found[ground.schema, "t"])
        assert len(told) == len(kept)
        known = row_key(read_table(ground.link, ground.schema, "t"), ["k"])  # type: ignore[arg-type]
        asked: dict[int, str] = dict(ground.link.rows(f"SELECT n, {known.select_list} FROM t"))
        assert [known.spelled((asked[n],)) for n in kept] == [known.spelled(key) for key in told]
        for n, key in zip(kept, told, strict=True):
            assert ground.rows_by("t", ["k"], {key}) == {(n,)}, key
            assert not ground.link.warnings, ground.link.rows("SHOW WARNINGS")
        half = dict(zip(kept[::2], told[::2], strict=True))
        assert ground.rows_by("t", ["k"], set(half.values())) == {(n,) for n in half}
        ground.run("UPDATE t SET n = n + 1000")
        assert reading.keys_of("t") == set(told)
        reading.sink.found.clear()
        ground.run("DELETE FROM t WHERE n % 2")
        assert reading.keys_of("t") == {key for n, key in zip(kept, told, strict=True) if n % 2}
        assert ground.way_to("t", ["k"], {told[0], told[2]}) == ("PRIMARY", "range")
