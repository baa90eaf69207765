"""`schemabot databases`: what a server changes."""

import click

from cli.errors import Exit
from cli.options import output_option, server_options
from cli.output import Output
from cli.place import Wanted, open_place
from cli.views.tables import databases_table


@click.command()
@server_options
@output_option
def databases(wanted: Wanted, output: Output) -> Exit:
    """List the databases that the server changes, and their environments.

    What another SchemaBot changes for it is named by that one's deployment; its databases are known there.

    \b
      schemabot databases
      schemabot databases --json

    With --json: one document, {"databases"}, and "deployments" where there are some.
    """
    with open_place(wanted, drive=False) as place:
        answer, found = place.api.served()
        output.document(answer)
        if not found:
            output.say("The server has no databases: its operator names them in its configuration.")
            return Exit.OK
        output.show(databases_table(found))
    return Exit.OK
