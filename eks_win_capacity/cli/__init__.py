"""The command line: parse arguments, call the library, print the result."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.wording import plain_message, with_options
from eks_win_capacity.core.errors import CapacityError, UnlikelyQuantityWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem

_COMMANDS: dict[str, tuple[str, str]] = {
    "max-pods": ("capacity", "Show the pods that the addresses of a node allow."),
    "node": ("capacity", "Show the pods that a node can run, and the limit that binds."),
    "fleet": ("fleet", "Compute the pods of each node in a file, in both address modes."),
    "pool": ("pool", "Show the targets and attached addresses that a ConfigMap sets."),
    "simulate": ("pool", "Simulate the warm pools of nodes."),
    "targets": ("pool", "Find the warm targets that keep waits short with the least waste."),
    "subnet": ("subnet", "Show the blocks of a subnet, and the nodes that still fit."),
    "forecast": ("forecast", "Forecast when each subnet of a file runs out of addresses."),
    "plan": ("plan", "Find the cheapest nodes for workloads, with a proved bound."),
    "check": ("cluster", "Check whether a cluster is ready for Windows nodes."),
    "cluster": ("cluster", "Report capacity, use and head-room of a cluster's Windows nodes."),
    "subnets": ("cluster", "Show each subnet: free addresses, users, room for more nodes."),
    "explain": ("cluster", "Explain why Windows pods are pending, and what helps."),
    "report": ("report", "Write one HTML page on clusters, for decision makers."),
    "migration": ("capacity", "Show the pods that a node can run after a change of address mode."),
    "karpenter-view": ("capacity", "Compare Karpenter's estimate with what nodes can run."),
    "free-blocks": ("cluster", "Find the nodes to drain to free /28 blocks."),
    "completion": ("completion", "Print the code that completes commands in a shell."),
    "catalog": ("catalog", "Query, compare and refresh the instance table."),
}
"""Module and one-line help of each command."""

_EPILOG = """
\b
Examples:
  eks-win-capacity max-pods m5.large --prefix-delegation
  eks-win-capacity node m5.large --prefix-delegation --pod-memory 1Gi
  eks-win-capacity fleet nodes.csv --out sized.csv
  eks-win-capacity catalog show m5.large
"""


class _LazyGroup(click.Group):
    """A command group that imports a command only when it runs."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with self._questions_as_notes(ctx):
                return super().invoke(ctx)
        except CapacityError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            error.__dict__[_SAID] = with_options(str(error), command)
            raise

    @contextmanager
    def _questions_as_notes(self, ctx: click.Context) -> Iterator[None]:
        """Print warnings about unlikely quantities as notes on stderr, each once."""
        from eks_win_capacity.cli.output import say

        asked: dict[str, None] = {}

        def ask(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, UnlikelyQuantityWarning):
                shown(message, category, *where, **more)
            elif str(message) not in asked:
                asked[str(message)] = None
                if len(asked) <= _MOST_NOTES:
                    command = self.get_command(ctx, ctx.invoked_subcommand or "")
                    note = with_options(str(message), command)
                    say(f"eks-win-capacity: note: {note}", err=True)

        with warnings.catch_warnings():
            warnings.simplefilter("always", UnlikelyQuantityWarning)
            shown, warnings.showwarning = warnings.showwarning, ask
            yield
        if len(asked) > _MOST_NOTES:
            say(f"eks-win-capacity: note: {len(asked) - _MOST_NOTES:,} more like these", err=True)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        # Completing a command name imports no command.
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=text)
            for name, (_, text) in _COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = __import__(f"{__name__}.{_COMMANDS[cmd_name][0]}", fromlist=("_",))
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = " or ".join(map(repr, get_close_matches(args[0], _COMMANDS)))
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean {close}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


_MOST_NOTES = 5
"""Maximum number of such notes; more are only counted."""

_SAID = "on the command line"
"""Attribute of a CapacityError with its message in terms of options."""


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value and not ctx.resilient_parsing:
        from eks_win_capacity import __version__
        from eks_win_capacity._data.limits import AS_OF, SOURCE

        click.echo(f"eks-win-capacity {__version__} (instance table of {AS_OF}, {SOURCE})")
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and the date of the instance table.",
)
@click.pass_context
def app(context: click.Context) -> None:
    """Plan the pod capacity of Windows nodes on Amazon EKS."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run the command line and exit the process.

    Exit codes: 0 for success, 1 for a bad input or a failed service, 2 for a wrong command line,
    130 after Ctrl-C. Every error is one line on stderr.
    """
    from eks_win_capacity.cli.output import print_anywhere

    print_anywhere()
    try:
        code = app.main(arguments, prog_name="eks-win-capacity", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        if context and error.message.startswith("Got unexpected extra argument"):
            options = {name for one in context.command.params for name in one.opts}
            hint = "; files are given as -f" * ("-f" in options) + hint
        _fail(f"{error.format_message()}{hint}", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader has closed the pipe, so the flush at exit would fail.
        sys.stdout = None
        sys.exit(0)
    except OSError as error:
        _fail(plain_message(error), 1)
    except (CapacityError, UnicodeError) as error:
        _fail(vars(error).get(_SAID, str(error)), 1)


def _fail(message: str, code: int) -> None:
    from eks_win_capacity.cli.output import say_error

    say_error(message)
    sys.exit(code)
