"""How fast applies are claimed from a store in SQLite, and whether that depends on the length of the history.

Two figures for each history × threads: draining a full queue (claims/s, and how long one claim takes), and whole cycles
enqueue → claim → complete (how long an apply waits for its claim). The floor, in the same run: as many bare transactions
of two statements, with the same settings, on a file beside the store.

A shared machine changes its pace by the minute, so the histories take turns in rounds, and the floor is measured once per
history, too: it knows no history, so how far its p99 differs between histories is the noise of the run.
"""

import argparse
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from bench.machine import describe
from bench.samples import milliseconds, quantile
from storage.errors import StoreError
from storage.records import NewApply, Plan, PlannedChange
from storage.sqlite.store import SqliteStore

GENERATED = """
    INSERT INTO applies(apply_uid, plan_id, request_hash, database_name, database_type, environment, deployment, repository,
                        caller, engine, options, state, claimable_at, due_in, max_attempts, created_at, updated_at,
                        finished_at)
    WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :first + :count)
    SELECT 'apply-' || i, 'plan-0', '', 'generated' || CASE WHEN :live THEN i ELSE i % 1000 END, 'sqlite', 'local', 'x',
           '', 'bench', 'SQLite', '{}', CASE WHEN :live THEN 'pending' ELSE 'completed' END,
           CASE WHEN :live THEN 1000 + i END, 0, 10, 1000 + i, 1000 + i, CASE WHEN :live THEN NULL ELSE 2000 + i END
      FROM n
    """


@dataclass(slots=True)
class Samples:
    """Durations of many calls, from many threads, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def milliseconds(self) -> str:
        """p50 / p99 / worst."""
        return milliseconds(self.seconds, 0.5, 0.99, 1.0)

    @property
    def p99(self) -> float:
        """In seconds."""
        return quantile(self.seconds, 0.99)


def plan(number: int) -> Plan:
    """A plan of one change for the database of that number."""
    change = PlannedChange(
        namespace="main",
        table="t",
        ddl="CREATE TABLE t(a);",
        change_type="create",
        strategy="instant",
        lock="none",
    )
    return Plan(
        plan_id=f"plan-{number}",
        database=f"bench{number}",
        database_type="sqlite",
        environment="local",
        engine="SQLite",
        schema_files={"main": {"t.sql": "CREATE TABLE t(a);"}},
        changes=[change],
    )


def generate(path: Path, count: int, *, live: bool) -> None:
    """Add *count* completed or queued applies, by SQL."""
    connection = apsw.Connection(str(path))
    with connection:
        first = connection.execute("SELECT COALESCE(max(id), 0) + 1 FROM applies").get
        if count:
            connection.execute(GENERATED, {"first": first, "count": count, "live": live})
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def in_threads(count: int, work: Callable[[], None]) -> float:
    """Run *work* in that many threads at once; seconds until the last is done."""
    start = threading.Barrier(count + 1)

    def begin() -> None:
        start.wait()
        work()

    threads = [threading.Thread(target=begin) for _ in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def floor(folder: Path, threads: int, transactions: int, samples: Samples) -> float:
    """Bare transactions, an UPDATE and an INSERT, one connection behind one lock, WAL, synchronous FULL: seconds in all."""
    connection = apsw.Connection(str(folder / f"floor-{time.monotonic_ns()}.db"))
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE counter(n); INSERT INTO counter VALUES (0); CREATE TABLE log(n)")
    lock = threading.Lock()

    def work() -> None:
        for _ in range(transactions // threads):
            began = time.perf_counter()
            with lock:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE counter SET n = n + 1")
                connection.execute("INSERT INTO log SELECT n FROM counter")
                connection.execute("COMMIT")
            samples.seconds.append(time.perf_counter() - began)

    seconds = in_threads(threads, work)
    connection.close()
    return seconds


def drain(store: SqliteStore, path: Path, threads: int, applies: int, samples: Samples) -> float:
    """Claim a full queue: seconds in all."""
    generate(path, applies // threads * threads, live=True)

    def work() -> None:
        for _ in range(applies // threads):
            began = time.perf_counter()
            try:
                found = store.claim("bench", 3600.0)
            except StoreError as error:
                samples.errors.append(repr(error))
                continue
            samples.seconds.append(time.perf_counter() - began)
            if found is None:
                samples.errors.append("an empty answer while rows were due")

    return in_threads(threads, work)


def cycle(store: SqliteStore, threads: int, cycles: int, samples: Samples) -> float:
    """Enqueue, claim whatever is first, complete: samples from the enqueue's begin to the claim's end; seconds in all."""
    free: queue.Queue[int] = queue.Queue()
    for number in range(4 * threads):
        store.save_plan(plan(number))
        free.put(number)
    begun: dict[str, float] = {}

    def one() -> None:
        number = free.get()
        began = time.perf_counter()
        apply = store.enqueue(NewApply(plan_id=f"plan-{number}", environment="local", deployment="x"))
        begun[apply.apply_uid] = began
        claim = store.claim("bench", 3600.0)
        claimed_at = time.perf_counter()
        if claim is None:
            samples.errors.append("an empty answer while rows were due")
            return
        # Another thread's apply may be claimed before that thread has noted when it began.
        while claim.apply_uid not in begun:
            time.sleep(0)
        samples.seconds.append(claimed_at - begun.pop(claim.apply_uid))
        store.complete(claim)
        free.put(int(store.apply(claim.apply_uid).database.removeprefix("bench")))

    def work() -> None:
        for _ in range(cycles // threads):
            try:
                one()
            except StoreError as error:
                samples.errors.append(repr(error))

    return in_threads(threads, work)


HEAD = (
    f"{'history':>9} {'threads':>7} | {'claims/s':>8} {'floor/s':>8} {'ratio':>6} {'claim ms p50/p99/max':>22} "
    f"{'floor ms p50/p99/max':>22} | {'cycles/s':>8} {'ratio':>6} {'enqueue→claimed ms p50/p99/max':>31}"
)


@dataclass(slots=True)
class Cell:
    """What was measured for one history and number of threads, all rounds together."""

    claims: Samples = field(default_factory=Samples)
    bare: Samples = field(default_factory=Samples)
    waits: Samples = field(default_factory=Samples)
    claim_seconds: float = 0.0
    bare_seconds: float = 0.0
    cycle_seconds: float = 0.0

    def round(self, folder: Path, store: SqliteStore, path: Path, threads: int, count: int) -> None:
        """Measure *count* of each once more."""
        self.bare_seconds += floor(folder, threads, count, self.bare)
        self.claim_seconds += drain(store, path, threads, count, self.claims)
        self.cycle_seconds += cycle(store, threads, count, self.waits)

    def line(self, history: int, threads: int) -> str:
        """A row of the table; a cycle is held against three bare transactions."""
        claims = len(self.claims.seconds) / self.claim_seconds
        bare = len(self.bare.seconds) / self.bare_seconds
        cycles = len(self.waits.seconds) / self.cycle_seconds
        return (
            f"{history:>9,} {threads:>7} | {claims:>8,.0f} {bare:>8,.0f} {bare / claims:>5.1f}× "
            f"{self.claims.milliseconds():>22} {self.bare.milliseconds():>22} | {cycles:>8,.0f} "
            f"{bare / 3 / cycles:>5.1f}× {self.waits.milliseconds():>31}"
        )


def measure(
    folder: Path, histories: list[int], thread_counts: list[int], rounds: int, count: int
) -> list[Cell]:
    """Print the table and the verdict; all cells."""
    stores = {history: SqliteStore(folder / f"store-{history}.db") for history in histories}
    cells: dict[tuple[int, int], Cell] = {}
    for history, store in stores.items():
        store.upgrade()
        store.save_plan(plan(0))
        generate(folder / f"store-{history}.db", history, live=False)
    for threads in thread_counts:
        for number in range(rounds):
            turn = number % len(histories)
            for history in histories[turn:] + histories[:turn]:
                cell = cells.setdefault((history, threads), Cell())
                cell.round(folder, stores[history], folder / f"store-{history}.db", threads, count)
        for history in histories:
            print(cells[history, threads].line(history, threads), flush=True)
    for store in stores.values():
        store.close()
    print("\np99, longest history against none (the floor knows no history: its figure is the noise)")
    for threads in thread_counts:
        none, longest = cells[histories[0], threads], cells[histories[-1], threads]
        print(
            f"  {threads:>2} threads: claim {longest.claims.p99 / none.claims.p99:.2f}×, "
            f"floor {longest.bare.p99 / none.bare.p99:.2f}×"
        )
    return list(cells.values())


def main() -> int:
    """Print the figures; 1 when a call failed or a claim came back empty."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="small numbers: under 30 seconds")
    quick = options.parse_args().quick
    histories = [0, 20_000] if quick else [0, 100_000, 1_000_000]
    rounds, count = (2, 160) if quick else (7, 320)
    print(describe())
    print(
        "floor: as many bare transactions of an UPDATE and an INSERT; a cycle is held against three of them\n"
    )
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="schemabot-claims-") as folder:
        cells = measure(Path(folder), histories, [1, 4, 16], rounds, count)
    errors = [text for cell in cells for text in cell.claims.errors + cell.waits.errors]
    done = sum(len(cell.waits.seconds) for cell in cells)
    print(f"\n{done:,} cycles enqueue + claim + complete, {len(errors)} errors")
    for text in sorted(set(errors))[:5]:
        print(f"  {text}")
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
