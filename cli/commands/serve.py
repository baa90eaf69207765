"""`schemabot serve`: run the daemon."""

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.errors import CliError, Exit, WrongUsage

if TYPE_CHECKING:
    from server.config import Config


@click.command()
@click.option(
    "-c", "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="A config.toml."
)
@click.option(
    "--listen", default="", metavar="HOST:PORT", help="Where to listen; 127.0.0.1:13370 if nothing says so."
)
@click.option(
    "--store",
    default="",
    metavar="PATH|URL",
    help="Where to remember applies: a file, or mysql://…; ./schemabot.db if nothing says so.",
)
@click.option(
    "-d",
    "--database",
    "databases",
    multiple=True,
    metavar="NAME=SQLITE_FILE",
    help="A database to serve; may be repeated.",
)
@click.option("-q", "--quiet", is_flag=True, help="Log warnings and errors only.")
def serve(config_file: Path | None, listen: str, store: str, databases: tuple[str, ...], quiet: bool) -> Exit:
    """Run the daemon.

    It answers the HTTP API and carries out the applies.

    Without a configuration it listens on 127.0.0.1:13370 and remembers in ./schemabot.db. Databases come from the
    configuration, or by -d for SQLite files (their environment is `local`). SIGTERM or Ctrl-C lets running changes
    rest at a checkpoint; the next start goes on with them. A second signal ends it at once.

    \b
      schemabot serve -d shop=shop.db
      schemabot serve -c /etc/schemabot/config.toml

    Logs go to stderr. Exit code 0 after a signal, 1 when it cannot start.
    """
    from server.daemon import serve as run
    from server.secrets import redact

    config = read_config(config_file, listen, store, databases)
    names = ", ".join(sorted(config.databases)) or "none yet (add one: -d NAME=SQLITE_FILE)"

    def ready(url: str) -> None:
        click.echo(
            f"SchemaBot listens on {url}\n  store      {redact(config.storage.url)}\n  databases  {names}"
        )
        sys.stdout.flush()

    level = logging.WARNING if quiet else logging.INFO
    return Exit.OK if run(config, on_ready=ready, log_level=level) == 0 else Exit.FAILED


def read_config(
    config_file: Path | None, listen: str = "", store: str = "", databases: tuple[str, ...] = ()
) -> "Config":
    """The configuration of the file, else the default one, with what the command line says instead. CliError."""
    from server.config import (
        Config,
        ConfigError,
        DatabaseConfig,
        EnvironmentConfig,
        StorageConfig,
        load_config,
    )
    from server.secrets import SecretError, resolve

    try:
        config = load_config(config_file) if config_file is not None else Config()
        if listen:
            host, port = parse_listen(listen)
            config = replace(config, server=replace(config.server, listen_host=host, listen_port=port))
    except ConfigError as error:
        raise CliError(
            str(error), "put that right and start again; config.example.toml explains every key"
        ) from error
    if store:
        try:
            config = replace(config, storage=StorageConfig(url=resolve(store)))
        except SecretError as error:
            raise WrongUsage(
                f"--store: {error}", "set it where the daemon runs, or name the store itself"
            ) from error
    added = {}
    for name, file in map(parse_database, databases):
        if name in config.databases:
            raise WrongUsage(f"-d {name} is in {config_file} already", "choose another name")
        environments = {"local": EnvironmentConfig(dsn=str(file.resolve()))}
        added[name] = DatabaseConfig(type="sqlite", environments=environments)
    return replace(config, databases={**config.databases, **added})


def parse_listen(text: str) -> tuple[str, int]:
    """HOST:PORT, :PORT, or [::1]:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise WrongUsage(f"--listen {text} is not HOST:PORT", "for example --listen 127.0.0.1:13370")
    return host.strip("[]") or "127.0.0.1", int(port)


def parse_database(text: str) -> tuple[str, Path]:
    """NAME=SQLITE_FILE of a file that exists."""
    from server.config import NAME

    name, equals, file = text.partition("=")
    if not equals or not NAME.fullmatch(name) or not file:
        raise WrongUsage(f"-d {text} is not NAME=SQLITE_FILE", "for example -d shop=shop.db")
    if not Path(file).is_file():
        raise WrongUsage(
            f"-d {text}: no such file: {file}", f"check the path; an empty database is made by: touch {file}"
        )
    return name, Path(file)
