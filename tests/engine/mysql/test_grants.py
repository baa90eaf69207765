"""Several grants that are all for one schema: what an account is taken to be allowed is what the server allows it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.base import Verdict
from engine.mysql.address import Address
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.rights import Rights, rights_of
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.accounts import shop_account
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.journey import ORDERS, WIDE, fill
from tests.engine.mysql.planning.places import account
from tests.servers.server import Server

TRIED = {
    "SELECT": "SELECT * FROM {}.orders",
    "INSERT": "INSERT INTO {}.orders VALUES (1, 1)",
    "DELETE": "DELETE FROM {}.orders",
}


class Granted:
    """A user with a role, and a schema with an underscore in its name."""

    def __init__(self, server: Server, address: Address) -> None:
        self.shop = Shop(server, ORDERS, prefix="tab_")
        self.address = address
        self.user, self.role = f"{address.user}@'%'", f"r{secrets.token_hex(5)}"
        self.shop.run(f"CREATE ROLE {self.role}", f"GRANT {self.role} TO {self.user}")

    def grant(self, *grants: str) -> None:
        """Each as "SELECT ON <pattern>", the end of the schema's name written as …; one for the role has its name behind it."""
        rest = self.shop.database.removeprefix("tab_")
        for text in grants:
            what, _, to_role = text.partition(" TO ")
            privilege, _, pattern = what.partition(" ON ")
            whom = self.role if to_role else self.user
            self.shop.run(f"GRANT {privilege} ON `{pattern.replace('…', rest)}`.* TO {whom}")

    def seen(self, *, role: bool) -> tuple[Rights, set[str]]:
        """What it is taken to be allowed, and what the server refuses."""
        refused = set()
        with Link(self.address) as link:
            link.run(f"SET ROLE {self.role if role else 'NONE'}")
            rights = rights_of(link, flavour_of(link))
            for privilege, sql in TRIED.items():
                try:
                    link.run(sql.format(self.shop.database))
                except ServerRefused:
                    refused.add(privilege)
        return rights, refused


@contextmanager
def user_with_role(server: Server) -> Iterator[Granted]:
    with account(server) as address:
        found = Granted(server, address)
        yield found
        found.shop.run(f"DROP ROLE {found.role}")


@pytest.fixture
def granted(server: Server) -> Iterator[Granted]:
    with user_with_role(server) as found:
        yield found


@pytest.mark.parametrize(
    "grants",
    [
        ("SELECT, INSERT, DELETE ON t%", "SELECT ON tab_…"),
        ("SELECT, INSERT ON %", "SELECT, DELETE ON t%"),
        ("SELECT ON tab_…", r"SELECT, DELETE ON tab\_…"),
        ("SELECT, INSERT ON tab_…", r"SELECT, DELETE ON tab\_%"),
        ("SELECT ON t%", "SELECT, INSERT, DELETE ON T%"),
        ("ALL ON t%…", "SELECT, INSERT ON %…"),
    ],
)
def test_of_several_grants_the_servers_most_specific_one_counts(
    granted: Granted, grants: tuple[str, ...]
) -> None:
    granted.grant(*grants)
    rights, refused = granted.seen(role=False)
    assert set(rights.missing(TRIED, granted.shop.database)) == refused


@pytest.mark.parametrize(
    "grants",
    [
        ("SELECT ON tab_…", "INSERT ON t% TO role"),
        ("SELECT ON t%", "INSERT ON tab_… TO role", "DELETE ON t% TO role"),
        ("SELECT ON t%", "SELECT, INSERT ON % TO role"),
        ("SELECT, DELETE ON t%", "SELECT, INSERT ON t% TO role"),
    ],
)
def test_what_an_active_role_may_do_is_joined_as_the_server_joins_it(
    granted: Granted, grants: tuple[str, ...]
) -> None:
    granted.grant(*grants)
    for role in (True, False):
        rights, refused = granted.seen(role=role)
        assert set(rights.missing(TRIED, granted.shop.database)) == refused


def test_of_equals_only_what_all_of_them_give_is_counted_on(mysql: Server) -> None:
    """MySQL goes by the one that was granted first, until it reads its tables anew."""
    with user_with_role(mysql) as granted:
        granted.grant("SELECT, INSERT ON tab%", "SELECT, DELETE ON tab_…")
        rights, refused = granted.seen(role=False)
    assert refused == {"DELETE"}
    assert rights.missing(TRIED, granted.shop.database) == ("INSERT", "DELETE")


def test_what_is_granted_on_columns_is_not_counted_as_the_table_s(granted: Granted) -> None:
    shop = granted.shop
    shop.run(
        "ALTER TABLE orders ADD `a), b` INT",
        f"GRANT INSERT, SELECT (id, `a), b`), REFERENCES (id) ON `{shop.database}`.orders TO {granted.user}",
    )
    rights, refused = granted.seen(role=False)
    assert set(rights.missing(TRIED, shop.database, "orders")) == {"SELECT", "DELETE"}
    assert refused >= {"SELECT", "DELETE"}
    assert rights.missing(["REFERENCES"], shop.database, "orders") == ("REFERENCES",)


def test_what_everybody_may_do_is_counted(mariadb: Server) -> None:
    if not mariadb.is_one("mariadb 10.11"):
        pytest.skip("MariaDB knows PUBLIC since 10.11")
    with user_with_role(mariadb) as granted:
        granted.grant("SELECT ON tab_…")
        granted.shop.run(f"GRANT INSERT ON `{granted.shop.database}`.* TO PUBLIC")
        rights, refused = granted.seen(role=False)
        granted.shop.run(f"REVOKE INSERT ON `{granted.shop.database}`.* FROM PUBLIC")
    assert set(rights.missing(TRIED, granted.shop.database)) == refused == {"DELETE"}


def test_a_grant_that_hides_a_wider_one_is_seen_by_the_plan_and_the_examination(server: Server) -> None:
    with shop_account(server) as account:
        account.grant()
        fill(account.shop, rows=21_000)
        database = account.shop.database
        account.shop.run(
            f"GRANT ALL ON `%`.* TO {account.user}", f"REVOKE DROP ON `{database}`.* FROM {account.user}"
        )
        engine, files = account.engine(), {"shop": {"orders.sql": f"{WIDE};\n"}}
        grant = f"GRANT DROP ON `{database}`.* TO {account.user}"
        (bad,) = [seen for seen in engine.examine() if seen.verdict is Verdict.BAD]
        assert bad.remedy == grant
        (blocked,) = engine.plan(files).blocked
        assert grant in blocked
        account.shop.run(grant)
        assert [seen for seen in engine.examine() if seen.verdict is Verdict.BAD] == []
        assert engine.plan(files).blocked == ()
        account.shop.run(f"REVOKE ALL PRIVILEGES ON `{database}`.* FROM {account.user}")
        assert engine.plan(files).blocked == ()
        account.shop.run(f"REVOKE DROP ON `%`.* FROM {account.user}")
        (bad,) = [seen for seen in engine.examine() if seen.verdict is Verdict.BAD]
        wider = f"GRANT DROP ON `%`.* TO {account.user}"
        assert bad.remedy == wider
        assert (
            wider in engine.plan(files).blocked[0]
        )  # by the schema's name it would take the pattern's place
