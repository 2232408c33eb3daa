"""The command ``completion``: shell completion of commands, options and instance types."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """
    Print the code that completes commands, options and instance types in SHELL.

    \b
    Run once; it works in each new shell:
      eks-win-capacity completion bash >> ~/.bashrc
      eks-win-capacity completion zsh >> ~/.zshrc
      eks-win-capacity completion fish > ~/.config/fish/completions/eks-win-capacity.fish

    zsh must have run compinit above that line.
    """  # noqa: D301
    from click.shell_completion import get_completion_class

    from eks_win_capacity.cli import app

    completer = get_completion_class(shell)
    assert completer is not None  # noqa: S101
    script = completer(app, {}, "eks-win-capacity", _VARIABLE).source()
    # Click's script for fish cuts a description at its first comma.
    click.echo(script.replace('string split ","', 'string split --max 1 ","'))


_VARIABLE = "_EKS_WIN_CAPACITY_COMPLETE"
"""Environment variable of Click's completion, derived from the program name."""
