"""`schemabot settings`: read and change what the server keeps for everybody."""

import difflib

import click

from cli.errors import Exit, Refused, WrongUsage
from cli.options import output_option, server_options
from cli.output import Output
from cli.place import Wanted, open_place
from cli.views.tables import settings_table
from cli.views.text import GREEN

KNOWN = {
    "require_review": "whether changes from pull requests need an approving review",
    "spirit_debug_logs": "whether the engine Spirit logs what it does inside",
}
VALUES = ("true", "false")


def _complete_key(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    return [name for name in KNOWN if name.startswith(typed)]


@click.command()
@click.argument("key", required=False, default="", shell_complete=_complete_key)
@click.argument("value", nargs=-1)
@server_options
@output_option
def settings(key: str, value: tuple[str, ...], wanted: Wanted, output: Output) -> Exit:
    """Read or change the server's settings.

    Without a KEY all are listed; with a KEY it is read; with a VALUE it is set. A key may carry a scope behind a
    colon, which comes before the bare one.

    \b
      schemabot settings
      schemabot settings require_review
      schemabot settings require_review:acme/shop true

    \b
    Keys, both for a server that looks at pull requests (the original's):
      require_review          true or false: they need an approving review
      spirit_debug_logs       true or false: its engine logs what it does

    With --json: one document, {"settings"} or {"key", "value"}.
    """
    if value:
        _check(key, " ".join(value))
    with open_place(wanted, drive=False) as place:
        if not key:
            answer, found = place.api.settings()
            output.document(answer)
            output.show(settings_table(found, KNOWN)) if found else output.say(
                "No settings: the defaults hold."
            )
            return Exit.OK
        if value:
            output.document(place.api.set_setting(key, " ".join(value)))
            output.say(f"{key} = {' '.join(value)}", GREEN)
            return Exit.OK
        kept = place.api.setting(key)
        output.document({"key": key, "value": kept})
        output.say(f"{key} = {kept}" if kept is not None else f"{key} (not set)")
    return Exit.OK


def _check(key: str, value: str) -> None:
    """A slip of the finger would be kept for ever and mean nothing."""
    name = key.partition(":")[0]
    if name not in KNOWN:
        near = difflib.get_close_matches(name, KNOWN, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(KNOWN))}"
        raise WrongUsage(f"unknown setting {name!r}", hint)
    if value not in VALUES:
        raise Refused(f"{name} cannot be {value!r}", f"set it to {' or '.join(VALUES)}")
