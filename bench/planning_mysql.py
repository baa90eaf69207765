"""How long a plan of Zabbix's 173 tables takes on each server, beside the floor: SHOW CREATE TABLE of all of them."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping

from bench.machine import describe
from engine.base import PlanResult
from engine.mysql.address import parse_address
from engine.mysql.catalog import read_tables
from engine.mysql.link import Link
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.planning.pull import tables_files
from engine.mysql.quoting import quote_name
from tests.engine.real.debian import package
from tests.engine.real.mysql_schemas import zabbix
from tests.servers.flavours import ACCOUNT, FLAVOURS
from tests.servers.private import PrivateServer

LIMIT_SECONDS = 3.0  # of a plan that was made before
ROUNDS = 3


class Bench:
    """One server with Zabbix's tables on it."""

    def __init__(self, server: PrivateServer, script: list[str]) -> None:
        self.address = parse_address(f"mysql://{ACCOUNT}@127.0.0.1:{server.port}/zabbix?ssl_mode=disabled")
        with Link(self.address, schema="") as link:
            self.version = str(link.value("SELECT VERSION()"))
            link.run("CREATE DATABASE zabbix CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            link.run("USE zabbix")
            link.run("SET foreign_key_checks = 0")
            for statement in script:
                link.run(statement)
            self.pulled = tables_files(read_tables(link, "zabbix"))

    def floor(self) -> float:
        """Seconds that the server needs to tell what its tables are."""
        with Link(self.address) as link:
            names = [name for (name,) in link.rows("SHOW TABLES")]
            return seconds(lambda: [link.rows(f"SHOW CREATE TABLE {quote_name(name)}") for name in names])

    def plan(self, files: Mapping[str, str], cached: TableCache) -> PlanResult:
        return plan_mysql(self.address, {"zabbix": files}, cached=cached)


def seconds(work: Callable[[], object]) -> float:
    """How long *work* takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def altered(script: list[str]) -> list[str]:
    """Three tables otherwise: a column, an index, a longer string."""
    found = list(script)
    for at, statement in enumerate(found):
        if statement.startswith("CREATE TABLE `hosts`"):
            found[at] = statement.replace("PRIMARY KEY", "`added` integer DEFAULT 0 NOT NULL,\n\tPRIMARY KEY")
        elif statement.startswith("CREATE TABLE `history`"):
            found.append("CREATE INDEX `history_9` ON `history` (`ns`)")
        elif statement.startswith("CREATE TABLE `role`"):
            found[at] = statement.replace("varchar(255)", "varchar(300)")
    return found


def measure(bench: Bench, script: list[str]) -> list[tuple[str, float, int]]:
    """(what, seconds, changes), the median of ROUNDS each."""
    own = {"schema.sql": "".join(f"{statement};\n" for statement in script)}
    other = {"schema.sql": "".join(f"{statement};\n" for statement in altered(script))}
    results = []
    for what, files, warm in (
        ("pulled files, first plan", bench.pulled, False),
        ("the package's own files, first plan", own, False),
        ("the package's own files, planned before", own, True),
        ("three tables altered, the rest planned before", other, True),
    ):
        cached = TableCache()
        took, changes = [], 0
        for _ in range(ROUNDS):
            cached = cached if warm else TableCache()
            if warm:
                bench.plan(own, cached)
            began = time.perf_counter()
            changes = len(bench.plan(files, cached).changes)
            took.append(time.perf_counter() - began)
        results.append((what, statistics.median(took), changes))
    return results


def main() -> int:
    """Print the figures; 1 when the promise is broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", choices=sorted(FLAVOURS), action="append")
    print(describe())
    script = zabbix(package("zabbix-server-mysql"))
    late = False
    for name in options.parse_args().server or sorted(FLAVOURS):
        with PrivateServer(FLAVOURS[name]) as server:
            bench = Bench(server, script)
            floor = statistics.median(bench.floor() for _ in range(ROUNDS))
            print(f"{bench.version}: {len(bench.pulled)} tables, SHOW CREATE TABLE of all {floor:.2f} s")
            for what, took, changes in measure(bench, script):
                late = late or ("before" in what and took > LIMIT_SECONDS)
                print(
                    f"  {what:<46} {changes:>3} changes  {took:6.2f} s  ratio {took / floor:5.1f}", flush=True
                )
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
