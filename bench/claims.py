"""How fast applies are claimed, and whether that depends on the length of the history.

Two figures for each history × threads: draining a full queue (claims/s, and how long one claim takes), and whole cycles
enqueue → claim → complete (how long an apply waits for its claim). The floor, in the same run: as many bare transactions
of two statements, with the same settings, on a file beside the store.
"""

import argparse
import queue
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from bench.machine import describe
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
    """Durations of many calls, from many threads."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def milliseconds(self) -> str:
        """p50 / p99 / worst."""
        ordered = sorted(self.seconds)
        return " / ".join(
            f"{1000 * value:.2f}" for value in (statistics.median(ordered), self.p99, ordered[-1])
        )

    @property
    def p99(self) -> float:
        """In seconds."""
        ordered = sorted(self.seconds)
        return ordered[int(len(ordered) * 0.99)]


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


def floor(folder: Path, threads: int, transactions: int) -> float:
    """Bare transactions per second: an UPDATE and an INSERT, one connection behind one lock, WAL, synchronous FULL."""
    connection = apsw.Connection(str(folder / f"floor-{threads}-{time.monotonic_ns()}.db"))
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE counter(n); INSERT INTO counter VALUES (0); CREATE TABLE log(n)")
    lock = threading.Lock()

    def work() -> None:
        for _ in range(transactions // threads):
            with lock:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE counter SET n = n + 1")
                connection.execute("INSERT INTO log SELECT n FROM counter")
                connection.execute("COMMIT")

    seconds = in_threads(threads, work)
    connection.close()
    return transactions // threads * threads / seconds


def drain(store: SqliteStore, path: Path, threads: int, applies: int) -> tuple[Samples, float]:
    """Claim a full queue: durations of the claims, claims per second."""
    generate(path, applies // threads * threads, live=True)
    samples = Samples()

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

    seconds = in_threads(threads, work)
    return samples, len(samples.seconds) / seconds


def cycle(store: SqliteStore, threads: int, cycles: int) -> tuple[Samples, float]:
    """Enqueue, claim whatever is first, complete: from the enqueue's begin to the claim's end; cycles per second."""
    samples = Samples()
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

    seconds = in_threads(threads, work)
    return samples, len(samples.seconds) / seconds


HEAD = (
    f"{'history':>9} {'threads':>7} | {'claims/s':>8} {'floor/s':>8} {'ratio':>6} {'claim ms p50/p99/max':>22} | "
    f"{'cycles/s':>8} {'floor/s':>8} {'ratio':>6} {'enqueue→claimed ms p50/p99/max':>31}"
)


def measure(
    folder: Path, history: int, thread_counts: list[int], cycles: int
) -> tuple[dict[int, float], list[str], int]:
    """One store: claim p99 by threads, errors, cycles done."""
    path = folder / f"store-{history}.db"
    p99s: dict[int, float] = {}
    errors: list[str] = []
    done = 0
    with SqliteStore(path) as store:
        store.upgrade()
        store.save_plan(plan(0))
        generate(path, history, live=False)
        for threads in thread_counts:
            claim_floor = floor(folder, threads, cycles)
            claims, claim_rate = drain(store, path, threads, cycles)
            cycle_floor = floor(folder, threads, 3 * cycles) / 3
            waits, cycle_rate = cycle(store, threads, cycles)
            print(
                f"{history:>9,} {threads:>7} | {claim_rate:>8,.0f} {claim_floor:>8,.0f} {claim_floor / claim_rate:>5.1f}× "
                f"{claims.milliseconds():>22} | {cycle_rate:>8,.0f} {cycle_floor:>8,.0f} "
                f"{cycle_floor / cycle_rate:>5.1f}× {waits.milliseconds():>31}",
                flush=True,
            )
            p99s[threads] = claims.p99
            errors += claims.errors + waits.errors
            done += len(waits.seconds)
    path.unlink()
    return p99s, errors, done


def main() -> int:
    """Print the table; 1 when a call failed or a claim came back empty."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="small numbers: under 30 seconds")
    quick = options.parse_args().quick
    histories = [0, 20_000] if quick else [0, 100_000, 1_000_000]
    thread_counts = [1, 4, 16]
    cycles = 240 if quick else 2_240
    print(describe())
    print("floor: as many bare transactions of an UPDATE and an INSERT; a cycle is three of them\n")
    print(HEAD)
    p99s: dict[int, dict[int, float]] = {}
    errors: list[str] = []
    done = 0
    with tempfile.TemporaryDirectory(prefix="schemabot-claims-") as folder:
        for history in histories:
            p99s[history], found, count = measure(Path(folder), history, thread_counts, cycles)
            errors += found
            done += count
    print(f"\n{done:,} cycles enqueue + claim + complete, {len(errors)} errors")
    for text in sorted(set(errors))[:5]:
        print(f"  {text}")
    for threads in thread_counts:
        print(
            f"claim p99 with {threads} threads, longest history against none: "
            f"{p99s[histories[-1]][threads] / p99s[0][threads]:.2f}×"
        )
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
