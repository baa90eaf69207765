"""An account with the privileges that docs/mysql.md asks for, and no other; and what is said when one is missing."""

import re
from collections.abc import Iterator

import pytest

from engine.base import Job, Signal, Target, Verdict
from engine.errors import HeldUp, Refused
from engine.mysql.engine import MysqlEngine
from engine.mysql.ownership.hold import Hold
from tests.engine.driving import Caller, drive
from tests.engine.mysql.accounts import PAGE, Account, shop_account
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.journey import ORDERS, WIDE, fill
from tests.servers.server import Server


@pytest.fixture
def account(server: Server) -> Iterator[Account]:
    with shop_account(server) as account:
        yield account


@pytest.mark.parametrize(
    "left_out", [(), ("REPLICATION SLAVE", "REPLICATION CLIENT", "PROCESS", "XA_RECOVER_ADMIN")]
)
def test_the_privileges_of_the_page_are_enough_for_a_copy(
    account: Account, left_out: tuple[str, ...]
) -> None:
    """Without those that read the log, triggers capture what changes."""
    fill(account.shop, rows=21_000)
    account.grant(*left_out)
    engine = account.engine()
    engine.ping()
    with account.shop.server.having(log_bin_trust_function_creators=bool(left_out)):
        assert [seen for seen in engine.examine() if seen.verdict is Verdict.BAD] == []
        plan = engine.plan({"shop": {"orders.sql": f"{WIDE};\n"}})
        (change,) = plan.changes
        assert change.strategy.value == "online"
        control = Caller()
        control.rests = True
        control.on_clear = lambda: account.shop.run("UPDATE orders SET quantity = quantity + 1 WHERE id = 7")
        with engine.open(Job(apply_uid="apply_a", fence=1, owner="test", namespaces=("shop",))) as session:
            session.check_fits(plan.changes, plan.fingerprints)
            assert drive(session, change, control) is Signal.GO
    assert account.shop.left_behind() == []
    assert account.shop.rows("SELECT COUNT(*), MIN(quantity), MAX(id) FROM orders") == [(21_000, 1, 20_999)]
    assert account.shop.rows("SELECT quantity > 1 FROM orders WHERE id = 7") == [(1,)]
    captured = [report.detail for report in control.reports if "trigger" in report.detail]
    assert bool(captured) == bool(left_out)
    notable = [report.detail for report in control.reports if report.notable]
    assert notable == captured[:1]
    by_triggers = (
        "captured by three triggers on the table, in the application's own transactions, as the binary log"
    )
    assert (by_triggers in change.lock) == bool(left_out)
    assert (f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account.user}" in change.lock) == bool(
        left_out
    )
    assert engine.plan({"shop": {"orders.sql": f"{WIDE};\n"}}).changes == ()


def test_a_foreign_key_of_a_table_that_the_account_may_not_see_is_none_that_a_copy_overlooks(
    server: Server, account: Account
) -> None:
    """It would go along with the replaced table, and the application could write to the child no more."""
    fill(account.shop, rows=21_000)
    account.grant()
    engine, files = account.engine(), {"shop": {"orders.sql": f"{WIDE};\n"}}
    plan = engine.plan(files)
    assert plan.changes[0].strategy.value == "online"
    assert [finding for finding in plan.findings if finding.linter == "online"] == []
    Shop(account.shop.server, prefix="billing_").run(
        "CREATE TABLE invoice (id INT PRIMARY KEY, orders INT NOT NULL, "
        f"FOREIGN KEY (orders) REFERENCES {account.shop.database}.orders (id))"
    )
    with (
        engine.open(Job(apply_uid="apply_a", fence=1, owner="test", namespaces=("shop",))) as session,
        pytest.raises(
            Refused, match="orders is part of a foreign key and cannot be copied online: plan again"
        ),
    ):
        drive(session, plan.changes[0], Caller())
    (change,) = engine.plan(files).changes
    assert change.strategy.value == "direct"
    assert "a foreign key of a table that this user may not see refers to it" in change.lock
    account.shop.run(f"REVOKE PROCESS ON *.* FROM {account.user}")
    plan = engine.plan(files)
    if server.is_one("mysql") and not server.is_one("mysql 9"):
        assert (
            "a foreign key of a table that this user" in plan.changes[0].lock
        )  # MySQL 8.4 lists them for everybody
        return
    assert (plan.changes[0].strategy.value, plan.changes[0].unsafe) == ("online", ())
    assert any("without the PROCESS privilege" in finding.message for finding in plan.findings)


@pytest.mark.parametrize("left_out", [(), ("LOCK TABLES", "PROCESS")])
def test_a_small_table_is_changed_without_the_right_to_lock_it(
    account: Account, left_out: tuple[str, ...]
) -> None:
    account.grant(*left_out)
    engine = account.engine()
    (change,) = engine.plan({"shop": {"orders.sql": f"{WIDE};\n"}}).changes
    assert change.strategy.value == "direct"
    with engine.open(Job(apply_uid="apply_a", fence=1, owner="test")) as session:
        assert drive(session, change, Caller()) is Signal.GO


@pytest.mark.parametrize("privilege", ["ALTER", "LOCK TABLES", "SHOW VIEW", "REPLICATION SLAVE", "PROCESS"])
def test_the_examination_names_the_grant_that_is_missing(account: Account, privilege: str) -> None:
    account.grant(privilege)
    remedies = [seen.remedy for seen in account.engine().examine() if seen.verdict is not Verdict.GOOD]
    assert any(f"GRANT {privilege} ON" in remedy and account.user in remedy for remedy in remedies)


@pytest.mark.parametrize(
    ("left_out", "verdict"),
    [
        (("TRIGGER",), Verdict.DOUBTFUL),
        (("TRIGGER", "REPLICATION SLAVE"), Verdict.BAD),
        (("LOCK TABLES",), Verdict.BAD),
    ],
)
def test_the_examination_takes_triggers_for_needed_only_where_the_log_cannot_be_read(
    account: Account, left_out: tuple[str, ...], verdict: Verdict
) -> None:
    account.grant(*left_out)
    (seen,) = [one for one in account.engine().examine() if one.subject == "privileges"]
    assert seen.verdict is verdict
    assert f"GRANT {left_out[0]} ON" in seen.remedy
    assert ("only where the binary log does not tell" in seen.text) == (verdict is Verdict.DOUBTFUL)


def test_the_examination_understands_a_server_that_quotes_names_as_the_standard_does(
    account: Account,
) -> None:
    account.grant()
    (mode,) = account.shop.rows("SELECT @@GLOBAL.sql_mode")[0]
    with account.shop.server.having(sql_mode=f"{mode},ANSI_QUOTES"):
        assert [seen for seen in account.engine().examine() if seen.verdict is Verdict.BAD] == []


def test_the_examination_says_that_a_server_takes_no_writes(account: Account) -> None:
    account.grant()
    with account.shop.server.having(read_only=1):
        (bad,) = [seen for seen in account.engine().examine() if seen.verdict is Verdict.BAD]
        assert bad.subject == "writing"
        assert "read_only = ON" in bad.text
        admin = "READ_ONLY ADMIN" if account.shop.server.flavour == "mariadb" else "CONNECTION_ADMIN"
        account.shop.run(f"GRANT {admin} ON *.* TO {account.user}")
        assert [seen for seen in account.engine().examine() if seen.verdict is Verdict.BAD] == []


def test_where_a_grant_takes_no_patterns_doctor_and_plan_say_so(mysql: Server) -> None:
    with shop_account(mysql) as account:
        account.grant()
        engine = account.engine()
        with mysql.having(partial_revokes=1):
            (bad,) = [seen for seen in engine.examine() if seen.verdict is Verdict.BAD]
            assert (bad.subject, "workspace server" in bad.remedy) == ("scratch schemas", True)
            with pytest.raises(Refused, match=re.escape(bad.remedy)):
                engine.plan({"shop": {"orders.sql": f"{WIDE};\n"}})
            everywhere = "SELECT, INSERT, CREATE, DROP, ALTER, INDEX, REFERENCES, UPDATE"
            account.shop.run(f"GRANT {everywhere} ON *.* TO {account.user}")
            assert [seen for seen in engine.examine() if seen.verdict is Verdict.BAD] == []
            assert engine.plan({"shop": {"orders.sql": f"{WIDE};\n"}}).changes
            other = mysql.fresh_database()
            account.shop.run(f"REVOKE UPDATE ON `{other}`.* FROM {account.user}")
            (doubtful,) = [
                one for one in account.engine(whole_server=True).examine() if one.subject == "privileges"
            ]
            assert f"missing on `{other}`.*: UPDATE, DELETE" in doubtful.text
            # Only where nothing is revoked in part the variable can be OFF again.
            account.shop.run(f"GRANT UPDATE ON *.* TO {account.user}")


def test_a_plan_that_may_make_no_scratch_schemas_asks_for_what_the_page_and_the_doctor_do(
    account: Account,
) -> None:
    account.grant()
    scratch = r"`\_schemabot\_%`.*"
    wanted = "SELECT, INSERT, CREATE, DROP, ALTER, INDEX, REFERENCES"
    account.shop.run(f"REVOKE ALL PRIVILEGES ON {scratch} FROM {account.user}")
    with pytest.raises(Refused, match=re.escape(f"GRANT {wanted} ON {scratch} TO {account.user}")):
        account.engine().plan({"shop": {"orders.sql": f"{WIDE};\n"}})
    assert f"GRANT {wanted} ON {scratch} TO 'schemabot'@'%';" in PAGE.read_text()


def test_the_examination_of_a_whole_server_looks_at_the_schemas_that_can_be_seen(account: Account) -> None:
    other = account.shop.server.fresh_database()
    account.grant()
    for rights, verdict in ((), Verdict.GOOD), (("SELECT", "UPDATE"), Verdict.DOUBTFUL):
        for right in rights:
            account.shop.run(f"GRANT {right} ON `{other}`.* TO {account.user}")
        (seen,) = [one for one in account.engine(whole_server=True).examine() if one.subject == "privileges"]
        assert seen.verdict is verdict
        assert bool(rights) == (f"missing on `{other}`.*: INSERT, DELETE, CREATE" in seen.text)
        assert f"`{account.shop.database}`.*: " not in seen.text


def test_the_examination_names_the_grant_that_tells_of_prepared_transactions(account: Account) -> None:
    missing = "SLAVE MONITOR" if account.shop.server.flavour == "mariadb" else "XA_RECOVER_ADMIN"
    for left_out, verdict in ((missing,), Verdict.DOUBTFUL), ((), Verdict.GOOD):
        account.grant(*left_out)
        (seen,) = [one for one in account.engine().examine() if one.subject == "prepared transactions"]
        assert seen.verdict is verdict
        assert bool(left_out) == (f"GRANT {missing} ON *.* TO" in seen.remedy)


def test_an_account_that_can_capture_changes_in_no_way_is_told_both(account: Account) -> None:
    server = account.shop.server
    fill(account.shop, rows=21_000)
    account.grant("REPLICATION SLAVE", "REPLICATION CLIENT")
    engine = account.engine()
    files = {"shop": {"orders.sql": f"{WIDE};\n"}}
    with server.having(log_bin_trust_function_creators=0):
        (bad,) = [seen for seen in engine.examine() if seen.verdict is Verdict.BAD]
        assert bad.subject == "binary log"
        plan = engine.plan(files)
        (blocked,) = plan.blocked
        assert bad.remedy in blocked
        assert "log_bin_trust_function_creators = 1" in bad.remedy
        assert "captured by three triggers" not in plan.changes[0].lock
        with (
            engine.open(Job(apply_uid="apply_a", fence=1, owner="test", namespaces=("shop",))) as session,
            pytest.raises(Refused, match=f"{re.escape(bad.remedy)}; then plan again"),
        ):
            drive(session, plan.changes[0], Caller())
    assert account.shop.left_behind() == []
    account.shop.run(f"REVOKE TRIGGER ON `{account.shop.database}`.* FROM {account.user}")
    with server.having(log_bin_trust_function_creators=1):
        (blocked,) = engine.plan(files).blocked
    assert f"GRANT TRIGGER ON `{account.shop.database}`.* TO" in blocked


@pytest.mark.parametrize("left_out", [(), ("SHOW VIEW",)])
def test_a_view_that_this_user_may_not_look_into_is_told_of_all_the_same(
    account: Account, left_out: tuple[str, ...]
) -> None:
    account.shop.run("CREATE VIEW totals AS SELECT SUM(quantity) FROM orders")
    account.grant(*left_out)
    plan = account.engine().plan(
        {"shop": {"orders.sql": "CREATE TABLE orders (id INT NOT NULL PRIMARY KEY);"}}
    )
    (said,) = [finding.message for finding in plan.findings if finding.linter == "broken"]
    assert ("not looked into" in said and "GRANT SHOW VIEW" in said) == bool(left_out)
    assert "view totals" in said


@pytest.mark.parametrize("missing", ["LOCK TABLES", "DROP"])
def test_a_copy_that_could_not_be_brought_to_its_end_is_refused_before_its_first_row(
    account: Account, missing: str
) -> None:
    fill(account.shop, rows=21_000)
    account.grant()
    engine = account.engine()
    plan = engine.plan({"shop": {"orders.sql": f"{WIDE};\n"}})
    assert plan.blocked == ()
    account.shop.run(f"REVOKE {missing} ON `{account.shop.database}`.* FROM {account.user}")
    grant = f"GRANT {missing} ON `{account.shop.database}`.* TO {account.user}"
    (blocked,) = engine.plan({"shop": {"orders.sql": f"{WIDE};\n"}}).blocked
    assert grant in blocked
    with pytest.raises(Refused, match=re.escape(grant)):  # noqa: SIM117
        with engine.open(Job(apply_uid="apply_a", fence=1, owner="test", namespaces=("shop",))) as session:
            drive(session, plan.changes[0], Caller())
    assert account.shop.left_behind() == []


@pytest.mark.parametrize("missing", ["ALTER", "DROP", "INSERT"])
def test_a_right_that_a_later_change_lacks_blocks_the_plan_before_an_earlier_one_is_live(
    account: Account, missing: str
) -> None:
    account.grant()
    engine = account.engine()
    new = "CREATE TABLE fresh (id INT NOT NULL PRIMARY KEY, KEY k (id));\n"
    beside = {"shop": {"orders.sql": f"{ORDERS};\n", "fresh.sql": new}}
    files = {"shop": {"orders.sql": f"{WIDE.replace('KEY,', 'KEY, KEY q (quantity),')};\n", "fresh.sql": new}}
    account.shop.run(f"REVOKE {missing} ON `{account.shop.database}`.* FROM {account.user}")
    plan = engine.plan(files)
    assert [change.table for change in plan.changes] == ["fresh", "orders"]
    grant = f"GRANT {missing} ON `{account.shop.database}`.* TO {account.user}"
    (blocked,) = plan.blocked
    assert grant in blocked
    assert bool(engine.plan(beside).blocked) == (missing != "ALTER")
    account.shop.run(grant)
    plan = engine.plan(files)
    assert plan.blocked == ()
    with engine.open(Job(apply_uid="apply_a", fence=1, owner="test")) as session:
        for change in plan.changes:
            assert drive(session, change, Caller()) is Signal.GO
    assert engine.plan(files).changes == ()


@pytest.mark.parametrize("new_table", [False, True])
def test_a_foreign_key_takes_the_right_to_refer_to_the_other_table_on_mysql(
    account: Account, new_table: bool
) -> None:
    account.shop.run("CREATE TABLE customer (id INT NOT NULL PRIMARY KEY) DEFAULT CHARSET utf8mb4")
    account.grant()
    database, user = account.shop.database, account.user
    account.shop.run(f"REVOKE REFERENCES ON `{database}`.* FROM {user}")
    engine = account.engine()
    key = ", CONSTRAINT whose FOREIGN KEY (quantity) REFERENCES customer (id))"
    files = {
        "customer.sql": "CREATE TABLE customer (id INT NOT NULL PRIMARY KEY) DEFAULT CHARSET utf8mb4;\n",
        "orders.sql": f"{ORDERS if new_table else ORDERS.replace(')', key, 1)};\n",
    }
    if new_table:
        files["bill.sql"] = f"{ORDERS.replace('orders', 'bill').replace(')', key, 1)};\n"
    blocked = engine.plan({"shop": files}).blocked
    if account.shop.server.flavour == "mysql":
        assert f"GRANT REFERENCES ON `{database}`.* TO {user}" in blocked[0]
        account.shop.run(f"GRANT REFERENCES ON `{database}`.customer TO {user}")
    else:
        assert [seen for seen in engine.examine() if seen.verdict is Verdict.BAD] == []
    plan = engine.plan({"shop": files})
    assert plan.blocked == ()
    with engine.open(Job(apply_uid="apply_a", fence=1, owner="test")) as session:
        assert drive(session, plan.changes[0], Caller()) is Signal.GO


@pytest.mark.parametrize("missing", ["CREATE", "INSERT"])
def test_a_target_that_may_not_be_changed_says_what_to_grant(account: Account, missing: str) -> None:
    account.grant(missing)
    with pytest.raises(Refused, match=rf"GRANT {missing} ON `{account.shop.database}`\.\* TO"):
        account.engine().open(Job(apply_uid="apply_a", fence=1, owner="test"))
    assert account.shop.left_behind() == []


def test_a_dsn_that_is_not_understood_is_refused(server: Server) -> None:
    with pytest.raises(Refused, match="must look like"):
        MysqlEngine(Target(kind="mysql", database="shop", environment="test", dsn="shop.db"))


@pytest.mark.parametrize("privilege", ["UPDATE", "DROP", "SELECT"])
def test_an_apply_on_its_way_waits_for_a_right_that_it_had(account: Account, privilege: str) -> None:
    """Nobody else would remove what it has there; triggers among it note keys for ever."""
    account.grant()
    first = Hold(account.address, Job(apply_uid="apply_a", fence=1, owner="test"))
    first.take()
    first.close()
    on = f"{privilege} ON `{account.shop.database}`.*"
    account.shop.run(f"REVOKE {on} FROM {account.user}")
    second = Hold(account.address, Job(apply_uid="apply_a", fence=2, owner="test"))
    with pytest.raises(HeldUp, match=re.escape(f"GRANT {on} TO {account.user}")):
        second.take()
    second.close()
    account.shop.run(f"GRANT {on} TO {account.user}")
    third = Hold(account.address, Job(apply_uid="apply_a", fence=3, owner="test"))
    third.take()
    assert third.release()
    third.close()
    assert account.shop.left_behind() == []
