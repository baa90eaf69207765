"""A database server of our own: an empty data folder, a loopback port, a keeper, and nothing left after."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pymysql

from tests.servers import keeper
from tests.servers.errors import ServerBroken
from tests.servers.flavours import ACCOUNT, ACCOUNT_SQL, COMMON_OPTIONS, Flavour
from tests.servers.ports import free_port
from tests.servers.programs import CACHE, Program, locked, program_for

_READY_SECONDS = 90.0
_EMPTY_SECONDS = 180.0
_PORTS_TRIED = 3


class PrivateServer:
    """A server process that can be started, stopped and killed as often as a test likes.

    Its port, socket and data stay the same. Not for several threads at once. Use it in a `with` statement
    or close it: then the process and the data are gone. They are also gone when this process is killed.
    """

    def __init__(self, flavour: Flavour, *, options: Sequence[str] = (), place: Path | None = None) -> None:
        """Start a server of *flavour*; `options` are added to those that every server for tests gets.

        Its folder is made in *place*, by default where temporary files go.

        Raises ServerMissing when there is no program and ServerBroken when it does not come up.
        """
        self.flavour = flavour
        self._program = program_for(flavour)
        self._extra = tuple(options)
        self.folder = Path(tempfile.mkdtemp(prefix=f"schemabot-{flavour.name}-", dir=place))
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", keeper.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # ^C is for pytest, which then ends us in order
        )
        try:
            shutil.copytree(_template(flavour, self._program), self.folder / "data")
            self._first_start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "PrivateServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def socket(self) -> Path:
        return self.folder / "data" / "server.sock"

    @property
    def pid(self) -> int | None:
        """The server's process, None while it does not run."""
        return self._order({"do": "look"})["pid"]

    def start(self) -> None:
        """Return once it answers; at once if it runs already."""
        if self.pid is None:
            self._launch()

    def stop(self) -> None:
        """Shut it down in order, as its service manager would."""
        self._order({"do": "stop"})

    def kill(self) -> None:
        """kill -9: what was not given to the kernel is lost."""
        self._order({"do": "kill"})

    def close(self) -> None:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.wait(60)
        self._keeper.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)  # only there when the keeper was killed

    def _first_start(self) -> None:
        for last in range(_PORTS_TRIED - 1, -1, -1):
            self.port = free_port()
            try:
                self._launch()
            except ServerBroken:
                if not last or "already in use" not in self._log_end():
                    raise
            else:
                return

    def _launch(self) -> None:
        # Of its own: a server that starts deletes what others keep in a shared one.
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        own = (
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={scratch}",
            f"--port={self.port}",
            f"--socket={self.socket}",
        )
        command = _command(self.flavour, self._program, *own, *self._extra)
        self._order({"do": "start", "command": command, "log": str(self._log)})
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            try:
                # By the port: the socket answers before the port does.
                pymysql.connect(
                    host="127.0.0.1", port=self.port, user=ACCOUNT, connect_timeout=2, ssl_disabled=True
                ).close()
            except pymysql.MySQLError:
                if (code := self._order({"do": "look"})["code"]) is not None:
                    raise ServerBroken(
                        f"{self.flavour.title} ended with {code}:\n{self._log_end()}"
                    ) from None
                time.sleep(0.02)
            else:
                return
        raise ServerBroken(f"{self.flavour.title} does not answer:\n{self._log_end()}")

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _log_end(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def _order(self, order: dict[str, object]) -> dict[str, int | None]:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(json.dumps(order).encode() + b"\n")
        self._keeper.stdin.flush()
        answer = self._keeper.stdout.readline()
        if not answer:
            raise ServerBroken(f"the keeper of {self.flavour.title} is gone")
        state: dict[str, int | None] = json.loads(answer)
        return state


def prepare(flavour: Flavour, say: Callable[[str], None]) -> None:
    """Have in the cache what a server of *flavour* needs, and *say* so when that takes long.

    Raises ServerMissing and ServerBroken as PrivateServer does.
    """
    _template(flavour, program_for(flavour, say))


def _command(flavour: Flavour, program: Program, *options: str) -> list[str]:
    return [*program.command, "--no-defaults", *program.options, *COMMON_OPTIONS, *flavour.options, *options]


def _template(flavour: Flavour, program: Program) -> Path:
    """An empty data folder of this program, made once and kept in the cache.

    Making one takes seconds, copying it a tenth of one. Its name tells program and options apart.
    """
    statements = flavour.empty_input(program.share)
    told = repr((program, COMMON_OPTIONS, flavour.options, flavour.empty_options, statements, ACCOUNT_SQL))
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    template = CACHE / f"{flavour.name}-{program.version}-{digest}.data"
    with locked(f"{flavour.name}.data"):
        if not template.exists():
            partial = template.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _make_empty(flavour, program, partial, statements)
            partial.rename(template)
    return template


def _make_empty(flavour: Flavour, program: Program, folder: Path, statements: str) -> None:
    options = [f"--datadir={folder}", *flavour.empty_options, "--skip-log-bin"]
    folder.mkdir()
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as account:
        if not statements:
            account.write(ACCOUNT_SQL)
            account.flush()
            options.append(f"--init-file={account.name}")
        done = subprocess.run(
            _command(flavour, program, *options),
            input=statements,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_EMPTY_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise ServerBroken(f"no empty {flavour.title} data folder:\n{done.stdout[-3000:]}")
    # Two servers must not have one identity; each makes its own when it finds none.
    (folder / "auto.cnf").unlink(missing_ok=True)
