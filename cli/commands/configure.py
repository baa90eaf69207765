"""`schemabot configure`: write down where the server is, once, as a profile."""

import click

from cli.client import Client
from cli.errors import CliError, Exit, Refused
from cli.options import output_option
from cli.output import Output, interactive
from cli.profile import save_profile
from cli.views.text import GREEN, YELLOW

OFFERED = "http://localhost:13370"


@click.command()
@click.option("--profile", default="default", show_default=True, metavar="NAME", help="What to call it.")
@click.option("--endpoint", default="", metavar="URL", help="The server's address; asked for when left out.")
@click.option("--default", "as_default", is_flag=True, help="Use it when no profile is named.")
@output_option
def configure(profile: str, endpoint: str, as_default: bool, output: Output) -> Exit:
    """Write the server's address into ~/.schemabot/config.yaml.

    The first profile becomes the default one; other profiles stay as they are. Tokens are not kept there: put yours
    into SCHEMABOT_TOKEN.

    \b
      schemabot configure
      schemabot configure --endpoint https://schemabot.example.org
      schemabot configure --profile staging --endpoint http://10.0.0.7:13370

    With --json: one document, {"profile", "endpoint", "file"}.
    """
    if not endpoint:
        if output.as_json or not interactive():
            raise Refused("nobody is there to ask for the address", "give it: --endpoint URL")
        endpoint = click.prompt("Address of the server", default=OFFERED)
    client = Client(endpoint.strip().removesuffix("/"))
    try:
        file = save_profile(profile, client.endpoint, as_default=as_default)
        output.document({"profile": profile, "endpoint": client.endpoint, "file": str(file)})
        output.say(f"Profile {profile} written to {file}: {client.endpoint}", GREEN)
        _greet(client, output)
    finally:
        client.close()
    return Exit.OK


def _greet(client: Client, output: Output) -> None:
    try:
        client.get("/health")
    except CliError as error:
        output.say(f"It does not answer now: {error}", YELLOW)
        output.hint("start it with `schemabot serve`, or correct the address by running this command again")
    else:
        output.hint("It answers. See what it knows: schemabot status")
