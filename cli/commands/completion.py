"""`schemabot completion`: the script that lets a shell complete our commands."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from cli.errors import Exit

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
VARIABLE = "_SCHEMABOT_COMPLETE"
"""How the script asks the program; click looks at it before anything else."""


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> Exit:
    """Print the script for completion in your shell.

    With it the shell completes commands, options, files, folders and profiles.

    \b
    For this session:
      eval "$(schemabot completion bash)"
      autoload -Uz compinit && compinit; eval "$(schemabot completion zsh)"
      schemabot completion fish | source
    For good, once:
      schemabot completion bash >> ~/.bash_completion
      schemabot completion zsh > "${fpath[1]}/_schemabot"
      schemabot completion fish > ~/.config/fish/completions/schemabot.fish

    Completing looks at files and at ~/.schemabot/config.yaml, never at a server or a database.
    """
    click.echo(SHELLS[shell](context.find_root().command, {}, "schemabot", VARIABLE).source())
    return Exit.OK
