"""The command line's entry: the group of commands, the exit codes, and the one place where errors become words."""

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from cli.commands.adjust import revert, skip_revert, volume
from cli.commands.apply import apply
from cli.commands.completion import completion
from cli.commands.configure import configure
from cli.commands.control import cancel, cutover, start, stop
from cli.commands.databases import databases
from cli.commands.doctor import doctor
from cli.commands.fix_lint import fix_lint
from cli.commands.init import init
from cli.commands.locks import locks, unlock
from cli.commands.look import history, logs, progress, status
from cli.commands.plan import plan
from cli.commands.pull import pull
from cli.commands.rollback import rollback
from cli.commands.serve import serve
from cli.commands.settings import settings
from cli.errors import EXIT_CODES, INTERRUPTED, CliError, Exit
from cli.options import complete_profiles
from cli.output import json_error, show_error
from cli.place import Wanted

log = logging.getLogger(__name__)

CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<4} {text}" for code, text in EXIT_CODES.items())


class InOrder(click.Group):
    """Lists its commands in the order a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """As they were added."""
        return list(self.commands)


@click.group(cls=InOrder, epilog=CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="schemabot", prog_name="schemabot")
@click.option("--endpoint", default="", metavar="URL", help="The server; also SCHEMABOT_ENDPOINT.")
@click.option(
    "--profile",
    default="",
    metavar="NAME",
    help="A profile of ~/.schemabot/config.yaml; also SCHEMABOT_PROFILE.",
    shell_complete=complete_profiles,
)
@click.option("-v", "--verbose", is_flag=True, help="Log on stderr what happens inside.")
@click.pass_context
def program(context: click.Context, endpoint: str, profile: str, verbose: bool) -> None:
    """Declarative schema changes as durable work: plan, apply, survive.

    Say in .sql files what the schema should be; SchemaBot plans what it takes, shows it, and carries it out while the
    database stays in use, through restarts and crashes.

    \b
    Begin with a SQLite file:
      schemabot init  shop.db -o schema/     its schema as files; edit them
      schemabot plan  shop.db -s schema/     what would change
      schemabot apply shop.db -s schema/     change it, and watch
    Or run a server, and name its databases by -d or in schemabot.yaml:
      schemabot serve -d shop=shop.db
      schemabot plan -d shop -s schema/ --endpoint http://127.0.0.1:13370

    A token for the server goes into SCHEMABOT_TOKEN.
    """
    context.obj = Wanted(endpoint=endpoint, profile=profile)
    if verbose:
        logging.basicConfig(
            level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(threadName)s %(message)s"
        )
    elif not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())


for command in (
    init,
    pull,
    plan,
    apply,
    progress,
    status,
    history,
    logs,
    databases,
    stop,
    start,
    cancel,
    cutover,
    volume,
    revert,
    skip_revert,
    rollback,
    locks,
    unlock,
    settings,
    fix_lint,
    configure,
    serve,
    doctor,
    completion,
):
    program.add_command(command)


def main(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    as_json = "--json" in arguments
    try:
        return int(program.main(list(arguments), prog_name="schemabot", standalone_mode=False) or 0)
    except CliError as error:
        log.info("ended by an error", exc_info=True)
        show_error(error, as_json=as_json or error.as_json)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        if as_json:
            json_error("usage", error.format_message(), "see --help")
        return Exit.USAGE if isinstance(error, click.UsageError) else error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(INTERRUPTED, err=True)
        return Exit.INTERRUPTED
    except Exception as error:
        log.info("ended by an error nobody expected", exc_info=True)
        hint = f"({type(error).__name__}; `schemabot -v …` shows where it came from)"
        show_error(CliError(str(error) or type(error).__name__, hint), as_json=as_json)
        return Exit.FAILED


def run() -> NoReturn:
    """Run the process's command line and end the process."""
    sys.exit(main(sys.argv[1:]))
