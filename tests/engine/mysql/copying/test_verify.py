"""The comparison of a copy with its table: what it finds, and how much it reads for it."""

import pytest

from engine.base import Progress, Signal
from engine.mysql.copying.sums import Sums
from engine.mysql.link import Link, Row
from engine.mysql.names import names_of
from tests.engine.mysql.capturing.rig import unread
from tests.engine.mysql.copying.application import TABLE, fill
from tests.engine.mysql.copying.rig import Watcher, make_rig, prepare
from tests.engine.striking import struck
from tests.servers.server import Server


def test_a_copy_of_no_row_before_the_first_key_is_found_however_long_the_table(server: Server) -> None:
    rig = make_rig(server, f"{TABLE};;{fill(20_000)}", ["ADD extra INT NOT NULL DEFAULT 7"])

    def strike(_: object) -> None:
        if copy.checkpoint.phase == "copy" and copy.checkpoint.low is not None:
            rig.run(f"REPLACE INTO {rig.shadow} (id, pad) VALUES (-5, 'phantom')")

    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher(strike))
        assert copy.checkpoint.repairs == 1
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 20_000


def test_a_copy_of_no_row_before_the_first_key_is_found_by_a_comparison_that_went_on(server: Server) -> None:
    rig = make_rig(server, f"{TABLE};;{fill(1_000)}", ["ADD extra INT NOT NULL DEFAULT 7"])
    step = rig.step()

    def interrupt(_: object) -> Signal | None:
        return Signal.STOP if copy.checkpoint.phase != "copy" and copy.checkpoint.low is not None else None

    with rig.copying(step) as copy:
        assert copy.open(Watcher()) is Signal.GO
        assert copy.fill(Watcher(interrupt)) is Signal.STOP
        copy.place.save()
    rig.run(f"REPLACE INTO {rig.shadow} (id, pad) VALUES (-5, 'phantom')")
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        assert copy.checkpoint.repairs == 1
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 1_000


def test_rows_that_came_behind_the_end_are_compared_in_pieces(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(server, f"{TABLE};;{fill(1_000)}", ["ADD extra INT NOT NULL DEFAULT 7"])
    lengths: list[int] = []
    rows = Link.rows

    def counted(link: Link, sql: str, *args: object) -> list[Row]:
        found = rows(link, sql, *args)
        lengths.append(len(found))
        return found

    def strike(progress: Progress) -> None:
        if "comparing rows" in progress.detail and not lengths:
            monkeypatch.setattr(Link, "rows", counted)
            rig.run(
                "INSERT INTO t (pad) SELECT a.pad FROM t AS a JOIN t AS b ON b.id < 12",
                f"INSERT INTO {rig.shadow} SELECT *, 7 FROM t WHERE id > 1000",
                f"INSERT INTO {rig.shadow} (id, pad) VALUES (500000, 'phantom'), (-7, 'phantom')",
            )

    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher(strike))
        assert copy.checkpoint.repairs == 2
        with rig.locked(copy) as link:
            monkeypatch.undo()
            assert rig.assert_same(link) == 12_000
    assert 0 < max(lengths) < 10_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("utf8mb4 COLLATE utf8mb4_bin", "utf8mb4 COLLATE utf8mb4_unicode_ci"),
        ("latin1", "ucs2"),
    ],
)
def test_copies_of_no_row_are_found_on_a_busy_table_whose_keys_sort_differently(
    server: Server, old: str, new: str
) -> None:
    create = f"CREATE TABLE t (id VARCHAR(20) CHARACTER SET {old} PRIMARY KEY, v INT) CHARACTER SET latin1"
    numbers = ", ".join(f"('\u00e9{number}', {number})" for number in range(1_000))
    clause = f"MODIFY id VARCHAR(30) CHARACTER SET {new} NOT NULL"
    rig = make_rig(server, f"{create};; INSERT INTO t VALUES {numbers}", [clause])
    phantoms = ["('\u00e9', 1), ('phantom', 2), ('\u00e97777', 3)"]
    written = 0

    def strike(progress: Progress) -> None:
        nonlocal written
        if progress.detail.startswith("comparing rows"):
            if phantoms:
                rig.run(f"INSERT INTO {rig.shadow} VALUES {phantoms.pop()}")
            written += 1
            rig.run(f"REPLACE INTO t VALUES ('\u00fc{written % 3}', {written})", "DELETE FROM t WHERE v = 3")

    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher(strike))
        assert copy.checkpoint.repairs == 3
        with rig.locked(copy) as link:
            assert rig.assert_same(link) > 1_000


def test_rows_that_all_differ_in_the_same_way_are_found(server: Server) -> None:
    """A checksum over bits lets pairs of such rows cancel each other out."""
    rig = make_rig(server, f"{TABLE};;{fill(1_000)}", ["ADD extra INT NOT NULL DEFAULT 7"])

    def strike(point: str) -> None:
        if point == "after_commit:chunk":
            rig.run(f"UPDATE {rig.shadow} SET ops = 3 WHERE id > 10")

    with rig.copying(rig.step()) as copy:
        with struck(strike):
            prepare(copy, Watcher())
        assert copy.checkpoint.repairs == 990
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 1_000


def test_numbers_with_a_point_are_compared_to_their_last_digit(server: Server) -> None:
    """As a text a FLOAT has six digits."""
    columns = {
        "f": ("FLOAT NOT NULL", "FLOAT NULL", "1234567", "1234568"),
        "u": ("FLOAT UNSIGNED", "FLOAT UNSIGNED NOT NULL", "16777215", "16777214"),
        "m": ("FLOAT(7,2) NOT NULL", "FLOAT(7,2) NULL", "12345.67", "12345.68"),
        "d": ("FLOAT", "DOUBLE", "1234567", "1234568"),
        "w": ("FLOAT(7,2)", "DOUBLE", "12345.67", "12345.68"),
        "x": ("DOUBLE NOT NULL", "DOUBLE NULL", "0.3", "0.1e0 + 0.2e0"),
    }
    made = ", ".join(f"{name} {old}" for name, (old, *_) in columns.items())
    filled = [", ".join(value for _, _, value, _ in columns.values())] * len(columns)
    filled += [", ".join([value] * len(columns)) for value in ("0.1", "1e0/3", "99999.99", "1e-30", "0")]
    rows = ", ".join(f"({number}, {values})" for number, values in enumerate(filled))
    rig = make_rig(
        server,
        f"CREATE TABLE t (id INT PRIMARY KEY, {made});; INSERT INTO t VALUES {rows}",
        [f"MODIFY {name} {new}" for name, (_, new, *_) in columns.items()],
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        assert copy.checkpoint.repairs == 0
        rig.assert_as_altered()
        for number, (name, (*_, stale)) in enumerate(columns.items()):
            rig.run(f"UPDATE {rig.shadow} SET {name} = {stale} WHERE id = {number}")
        with rig.link() as link:
            found = Sums(copy.shape).differing(link, [(str(number),) for number in range(len(filled))])
        assert found == [(str(number),) for number in range(len(columns))]
        copy.discard(Watcher())


@pytest.mark.parametrize("by_log", [True, False])
def test_a_change_that_waits_is_known_by_the_key_that_the_copy_tells(server: Server, by_log: bool) -> None:
    """Else a busy row is taken for a wrong one, again and again, until the copy is given up."""
    columns = {
        "n": ("INT", "DECIMAL(12,2)", "50", "-7"),
        "x": ("DECIMAL(9,1) ZEROFILL", "DECIMAL(12,4)", "0", "10.5"),
        "d": ("DATE", "DATETIME(3)", "'2024-01-02'", "'2024-01-03'"),
        "s": ("VARCHAR(9) COLLATE utf8mb4_bin", "CHAR(9) COLLATE utf8mb4_bin", "'a  '", "'b'"),
        "u": ("VARCHAR(9) CHARACTER SET ucs2", "VARCHAR(8) CHARACTER SET ucs2", "'\u0120 '", "' '"),
    }
    made, names = ", ".join(f"{name} {old}" for name, (old, *_) in columns.items()), ", ".join(columns)
    rows = [", ".join(values[at] for _, _, *values in columns.values()) for at in (0, 1)]
    rig = make_rig(
        server,
        f"CREATE TABLE t ({made}, v INT, PRIMARY KEY ({names}));; INSERT INTO t VALUES ({rows[0]}, 1), ({rows[1]}, 2)",
        [f"MODIFY {name} {new} NOT NULL" for name, (_, new, *_) in columns.items()],
    )
    rig.unsafe = True
    if not by_log:
        unread(rig)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        shadow = Sums(copy.shape).shadow
        busy, quiet = (shadow.keys(copy.link, f"v = {value}") for value in (1, 2))
        rig.run("UPDATE t SET v = 3 WHERE v = 1")
        assert copy.capture.waiting(copy.link, [*busy, *quiet]) == busy
        assert copy.in_step(Watcher(), "catching up") is Signal.GO
        assert copy.capture.waiting(copy.link, [*busy, *quiet]) == set()
        copy.discard(Watcher())


def test_values_that_the_new_type_shows_otherwise_are_no_difference(server: Server) -> None:
    """Leading zeros, and on MariaDB addresses and UUIDs in the one way in which they are kept."""
    columns = "a DECIMAL(9,2) NOT NULL, u CHAR(36), i VARCHAR(45)"
    row = "(1, 1.5, '123E4567-E89B-12D3-A456-426655440000', '0:0:0:0:0:0:0:1'), (2, 2, NULL, NULL)"
    changes = ["MODIFY a DECIMAL(9,2) ZEROFILL NOT NULL"]
    if server.is_one("mariadb 10.7"):
        changes += ["MODIFY u UUID", "MODIFY i INET6"]
    rig = make_rig(
        server, f"CREATE TABLE t (id INT PRIMARY KEY, {columns});; INSERT INTO t VALUES {row}", changes
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        assert copy.checkpoint.repairs == 0
        rig.assert_as_altered()
        copy.discard(Watcher())


def test_long_names_that_differ_at_their_ends_have_helpers_of_their_own() -> None:
    stem = "orders_of_all_customers_in_the_archive_of_the_yea"
    sources = [stem, *(f"{stem}_{number:07}" for number in range(3)), *(f"{stem}{n}" for n in range(3))]
    assert len({names_of(source).shadow for source in sources}) == len(sources)
    assert all(len(names_of(source).trigger("i")) <= 64 for source in sources)
