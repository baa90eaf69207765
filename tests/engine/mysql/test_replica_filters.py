"""What comes through a replica's rules, as it tells them."""

import pytest

from engine.mysql.replication.filters import ReplicaFilters


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ({}, {"p.t", "p.u", "q.t"}),
        ({"do_table": "p.t,q.t"}, {"p.t", "q.t"}),
        ({"ignore_table": "P.T"}, {"p.u", "q.t"}),
        ({"wild_do_table": "p.%"}, {"p.t", "p.u"}),
        ({"wild_ignore_table": "_.u,q.%"}, {"p.t"}),
        ({"ignore_table": "p.t", "wild_do_table": r"p.%,\_.t"}, {"p.u"}),
        ({"do_table": "p.t", "wild_ignore_table": "p.%"}, {"p.t"}),
    ],
)
def test_tables_are_kept_by_the_servers_rules(rules: dict[str, str], kept: set[str]) -> None:
    filters = ReplicaFilters.of({f"replicate_{rule}": text for rule, text in rules.items()})
    assert {f"{one}.{two}" for one, two in ("pt", "pu", "qt") if filters.keeps_table(one, two)} == kept


@pytest.mark.parametrize("text", ["a->b,c->d", "(a,b),(c,d)"])
def test_schemas_with_other_names_are_known(text: str) -> None:
    filters = ReplicaFilters.of({"replicate_rewrite_db": text})
    assert [name for name in "abcd" if filters.renamed([name])] == ["a", "c"]


def test_a_schema_that_is_left_out_while_ours_is_not_is_known() -> None:
    filters = ReplicaFilters.of({"replicate_do_db": "shop,stock"})
    assert "keeps only one of home and shop" in filters.split("home", ["home", "shop"])
    assert filters.split("shop", ["shop", "stock"]) == filters.split("home", ["home", "other"]) == ""
    filters = ReplicaFilters.of({"replicate_ignore_db": "home"})
    assert "keeps only one of home and shop" in filters.split("home", ["shop"])


def test_tables_that_do_not_all_get_there_are_named() -> None:
    filters = ReplicaFilters.of({"replicate_wild_ignore_table": r"%.%\_\_osc\_%"})
    assert "keeps t and leaves t__osc_n out" in filters.parted("p", ["t", "t__osc_n"])
    assert filters.parted("p", ["t", "u"]) == filters.parted("p", ["t__osc_n", "u__osc_n"]) == ""
