"""Names of constraints that a schema has only once go from table to table, or the plan says that they do not."""

import pytest

from engine.errors import Refused
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.server import Server

P = "CREATE TABLE p (id INT PRIMARY KEY)"
TIED = "CREATE TABLE z (id INT PRIMARY KEY, b INT, FOREIGN KEY (b) REFERENCES b (id))"


def child(table: str, *names: str) -> str:
    """With a foreign key and a CHECK of each of *names*; without a name the server gives them some."""
    parts = ["id INT PRIMARY KEY", *(f"p{at} INT" for at in range(len(names)))]
    for at, name in enumerate(names):
        parts.append(f"CONSTRAINT {name} FOREIGN KEY (p{at}) REFERENCES p (id)")
        parts.append(f"CONSTRAINT {name}_k CHECK (p{at} < 9)" if name else f"CHECK (p{at} < 9)")
    return f"CREATE TABLE {table} ({', '.join(parts)})"


MOVES = {
    "to a table that is there": ([child("b"), child("z", "c")], [child("b", "c"), child("z")]),
    "to a new table": ([child("z", "c")], [child("b", "C"), child("z", "d")]),
    "from a table that goes": ([child("z", "c")], [child("b", "C")]),
    "both ways": ([child("b", "d"), child("z", "c")], [child("b", "c"), child("z", "D")]),
    "to the parent of the one that had it": ([child("z", "c")], [child("b", "c"), TIED]),
    "to a table that is renamed": (
        [child("b", ""), child("z", "y_ibfk_1")],
        ["-- renamed from: b\n" + child("y", ""), child("z", "c")],
    ),
    "from a table that is renamed": ([child("z", "")], ["-- renamed from: z\n" + child("y", ""), child("b", "z_ibfk_1")]),
}  # fmt: skip


@pytest.mark.parametrize(("now", "wanted"), MOVES.values(), ids=MOVES)
def test_a_name_is_free_before_another_table_gets_it(
    server: Server, now: list[str], wanted: list[str]
) -> None:
    with ground(server, P, *now) as here:
        here.settle(";\n".join([P, *wanted]) + ";")


@pytest.mark.parametrize("there", [[], [child("b")]], ids=["new", "there"])
@pytest.mark.parametrize(("taken", "name"), [("c", "C"), ("b_ibfk_1", "")])
def test_a_name_that_stays_taken_is_refused_by_the_plan(
    server: Server, taken: str, name: str, there: list[str]
) -> None:
    with ground(server, *there) as here:
        # Not made again, nothing else would tell.
        here.settle(";\n".join([P, child("z", taken), *there]) + ";")
        words = r"b: the server does not take .*is taken by one of z; give it another name"
        with pytest.raises(Refused, match=words):
            here.plan(";\n".join([P, child("z", taken), child("b", name)]) + ";")


@pytest.mark.parametrize(
    ("others", "name", "words"),
    [
        ([child("z", ""), child("x", "y_ibfk_1")], "y", "the name y_ibfk_1 of its foreign key is taken by one of x"),
        ([child("z", "", "y_ibfk_1")], "y", "the name y_ibfk_1 of its foreign key is taken by one of z"),
        ([child("z", "")], "y" * 60, "its (check|foreign key) would be named y*_[a-z]*_1, which is too long"),
    ],
)  # fmt: skip
def test_a_name_that_a_renamed_table_cannot_bring_along_is_not_tried(
    server: Server, others: list[str], name: str, words: str
) -> None:
    """MySQL would refuse it, and die when it drops what it was tried on."""
    with ground(server, P, *others) as here:
        files = [P, *others[1:], f"-- renamed from: z\n{child(name, 'f')}"]
        with pytest.raises(Refused, match=f"z cannot be renamed to {name}: {words}"):
            here.plan(";\n".join(files) + ";")


def test_constraints_that_are_named_after_a_table_follow_its_new_name_unless_the_files_tell_the_old_one(
    server: Server,
) -> None:
    named = "-- renamed from: orders\n" + child("sales", "orders_ibfk_1").replace("_ibfk_1_k", "_chk_1")
    with ground(server, P, child("orders", "")) as here:
        plan = here.plan(f"{P};\n{named};")
        said = [f.message.split(":")[0] for f in plan.findings if "named after the table" in f.message]
        key = 'FOREIGN KEY "orders_ibfk_1" is named after the table'
        check = 'CHECK "orders_chk_1" is named after the table'
        assert said == [key] if here.mariadb else said == [check, key]
        plain = here.settle(f"{P};\n-- renamed from: orders\n{child('sales', '')};")
        assert not any("named after the table" in finding.message for finding in plain.findings)
        assert ddl(plain) == ["RENAME TABLE `orders` TO `sales`"]


UNNAMED = {
    "the first goes": ("{b}", ["DROP"]),
    "the first goes, and a comment and a value say so": (
        "{b}, v{n} VARCHAR(40) DEFAULT 't_ibfk_1' COMMENT 't_chk_1' -- CONSTRAINT_1 and t_ibfk_1 went, see t_chk_1\n",
        ["DROP"],
    ),
    "another comes before": ("{c}, {a}, {b}", ["ADD"]),
    "the first becomes another": ("{c}, {b}", ["DROP", "ADD"]),
    "one more of the same": ("{a}, {b}, {b}", ["ADD"]),
}


@pytest.mark.parametrize("way", UNNAMED)
def test_a_constraint_without_a_name_that_is_live_stays_as_it_is(server: Server, way: str) -> None:
    text = f"{P}; CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c INT, KEY (a), KEY (b), KEY (c), {{0}});"
    kinds = ("FOREIGN KEY ({0}) REFERENCES p (id)", "CHECK ({0} < 9)")

    def all_of(rest: str) -> str:
        return ", ".join(
            rest.format(**{name: kind.format(name) for name in "abc"}, n=n) for n, kind in enumerate(kinds)
        )

    rest, expected = UNNAMED[way]
    with ground(server) as here:
        here.settle(text.format(all_of("{a}, {b}")))
        plan = here.settle(text.format(all_of(rest)))
        clauses = ", ".join(ddl(plan))
        kind = "CONSTRAINT" if here.mariadb else "CHECK"
        assert [clauses.count(f"DROP {word}") for word in ("FOREIGN KEY", kind)] == [
            expected.count("DROP")
        ] * 2
        assert clauses.count("ADD CONSTRAINT") == 2 * expected.count("ADD")


def test_a_name_that_the_files_tell_is_given_whatever_the_server_would_call_it(server: Server) -> None:
    with ground(server, P, child("t", "", "")) as here:
        here.settle(f"{P}; {child('t', 't_ibfk_2', 't_ibfk_1')};")


def test_a_check_goes_by_the_name_of_a_key_without_the_key(mysql: Server) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY)"
    table = (
        "CREATE TABLE t (id INT PRIMARY KEY, {0} INT{1}, CONSTRAINT u UNIQUE ({0}), "
        "CONSTRAINT f FOREIGN KEY ({0}) REFERENCES p (id){2});"
    )
    with ground(
        mysql, parent, table.format("a", "", ", CONSTRAINT u CHECK (a > 0), CONSTRAINT f CHECK (a > 1)")
    ) as here:
        here.settle(
            f"{parent}; {table.format('b', ' /* renamed from: a */', ', CONSTRAINT u CHECK (b > 0)')}"
        )
