"""Options that several commands share."""

from __future__ import annotations

import os
import sys
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from eks_win_capacity.cli.output import progress, put_together, say, say_error, together
from eks_win_capacity.cli.wording import plain_message, with_options
from eks_win_capacity.core.constants import KUBELET_MAX_PODS
from eks_win_capacity.core.documents import source_name, whole
from eks_win_capacity.core.errors import CapacityError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

    from click.shell_completion import CompletionItem

    from eks_win_capacity.addresses.warm_pool import WarmPool
    from eks_win_capacity.catalog import InstanceType
    from eks_win_capacity.cluster.state import ClusterState


def text_of(file: IO[bytes]) -> str:
    """
    Contents of a file as a string; byte-order marks, as PowerShell writes, set the encoding.

    Raises DocumentError if it cannot be decoded, or exceeds the size limit.
    """
    return whole.text_of(whole.file_bytes(file), source_name(file))


def filled_text_of(file: IO[bytes]) -> str:
    """
    Contents of a file that must not be empty.

    Raises InputError if it is empty; DocumentError as `text_of`.
    """
    text = text_of(file)
    if not text.strip():
        name = getattr(file, "name", "the file")
        raise InputError(f"{name} is empty: did the command that wrote it fail?")
    return text


class _TypeName(click.types.StringParamType):
    """A string parameter with completion of the instance types in the bundled table."""

    name = "type"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from eks_win_capacity.catalog.limits import bundled_rows

        return [CompletionItem(name) for name in bundled_rows()[0] if name.startswith(incomplete)]


TYPE_NAME = _TypeName()
"""Parameter type of every option and argument that is an instance type."""


def types_option(help_text: str, *letters: str, name: str = "types") -> Callable[[Any], Any]:
    """Repeatable option for instance types, with the command's help."""
    names = ("--instance-type", *letters, "-t", name)
    return click.option(*names, type=TYPE_NAME, multiple=True, metavar="TYPE", help=help_text)


class _KubeletLimit(click.ParamType):  # type: ignore[type-arg]
    """Max-pods of the kubelet, or `none`; 0, which tools read differently, is refused."""

    name = "limit"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if str(value).lower() == "none":
            return "none"
        limit: int = click.INT.convert(value, param, ctx)
        if limit == 0:
            self.fail(
                "0 has no one meaning: a kubelet started with --max-pods 0 runs no pod, and one with "
                "maxPods: 0 in its file takes 110. Write none for no limit.",
                param,
                ctx,
            )
        return limit


def kubelet_option(default: int | None, help_text: str) -> Callable[[Any], Any]:
    """Option for the kubelet's limit, which is None for `none`."""
    return click.option(
        "--kubelet-max-pods",
        type=_KubeletLimit(),
        default=default,
        show_default=default is not None,
        callback=lambda _context, _option, limit: None if limit == "none" else limit,
        metavar="N",
        help=help_text,
    )


def note_kubelet(limit: int | None, types: Iterable[InstanceType]) -> None:
    """Note on stderr the types for which AWS advises a lower max-pods."""
    from eks_win_capacity.catalog.limits import max_pods_cap

    above: dict[int, list[str]] = {}
    for row in types:
        if limit is not None and limit > max_pods_cap(row):
            above.setdefault(max_pods_cap(row), []).append(row.name)
    for cap, names in sorted(above.items()):
        named = ", ".join(dict.fromkeys(names[:3])) + ", ..." * (len(names) > 3)
        say(
            f"eks-win-capacity: note: --kubelet-max-pods {limit:,} is above the {cap} that AWS "
            f"advises for {named} (110 below 30 vCPUs, 250 above)",
            err=True,
        )


def mode_option(default: bool | None = False, *, more: str = "") -> Callable[[Any], Any]:  # noqa: FBT001, FBT002
    """Option for the address mode, with the same name in every command."""
    return click.option(
        "--prefix-delegation/--no-prefix-delegation",
        default=default,
        help=f"Whether each slot holds a /28 prefix or one address{more}.",
    )


def file_argument(
    name: str = "file", kind: Any = None, *, required: bool = True, letters: tuple[str, ...] = ()
) -> Callable[[Any], Any]:
    """Decorator that adds a file as the argument FILE, or as ``-f``; - is standard input."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(*args: Any, **given: Any) -> None:
            option = given.pop(f"{name}_option")
            if option is not None and given[name] is not None:
                raise click.UsageError(f"give {name.upper()} or --file, not both")
            given[name] = given[name] if option is None else option
            if required and given[name] is None:
                raise click.UsageError(f"Missing argument {name.upper()!r}.")
            function(*args, **given)

        kept = click.option(
            "--file",
            "-f",
            *letters,
            f"{name}_option",
            type=kind,
            help=f"The same as {name.upper()}.",
        )(run)
        metavar = name.upper() if required else f"[{name.upper()}]"
        return click.argument(name, type=kind, required=False, metavar=metavar)(kept)

    return add


def state_options(function: Callable[..., None]) -> Any:
    """
    Add the options for the source of a cluster's state; the command receives ``load``.

    With several clusters, the command runs once for each and their rows form one table; an error
    of one is printed on stderr and does not stop the others.
    """

    @wraps(function)
    def run(*args: Any, files: tuple[str, ...], names: tuple[str, ...], **given: Any) -> None:
        asked = {key: given.pop(key) for key in ("region", "profile", "endpoint_url")}
        if len(set(names)) < 2:
            name = names[0] if names else None
            function(*args, load=partial(load_state, files, name, **asked), **given)
            return
        alone = [key for key in ("save", "write_remedies") if given.get(key)]
        if alone:
            raise click.UsageError(f"--{alone[0].replace('_', '-')} is for one --cluster")
        codes, context = {0}, click.get_current_context()
        with put_together("cluster") as label:
            for name in dict.fromkeys(names):
                label(name)
                load = partial(load_state, _files_of(name, files, names), name, **asked)
                try:
                    function(*args, load=load, **given)
                except click.exceptions.Exit as left:
                    codes.add(left.exit_code)
                except (CapacityError, OSError) as error:
                    why = with_options(plain_message(error), context.command)
                    say_error(f"{name}: {why}")
                    codes.add(1)
        context.exit(max(codes, key=_BY_WEIGHT.index))

    return _of_state(run)


_of_state = together(
    click.option(
        "--file",
        "-f",
        "files",
        multiple=True,
        metavar="PATH",
        help=(
            "Saved output of kubectl or the AWS CLI, a folder of such files, or - for "
            "stdin; repeatable."
        ),
    ),
    click.option(
        "--cluster",
        "names",
        multiple=True,
        metavar="NAME",
        help=(
            "Read this cluster from AWS, by read-only calls. Repeatable; files are then "
            "written as NAME=PATH."
        ),
    ),
    click.option("--region", help="AWS region."),
    click.option("--profile", help="AWS profile."),
    click.option("--endpoint-url", hidden=True, help="Ask this address instead of AWS."),
)
"""Options for the cluster."""


_BY_WEIGHT = (0, 5, 3, 4, 1)
"""Exit codes of ``check`` by severity, the worst last: a cluster without an answer is the worst."""


def _files_of(name: str, files: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Files of one of several clusters; each file argument names its cluster."""
    for file in files:
        if file.partition("=")[0] not in names or "=" not in file:
            raise click.UsageError(
                f"with several --cluster, --file says whose it is: NAME=PATH; got {file!r}"
            )
    return tuple(
        path for owner, _, path in (file.partition("=") for file in files) if owner == name
    )


def load_state(
    files: tuple[str, ...],
    name: str | None,
    region: str | None,
    profile: str | None,
    endpoint_url: str | None,
) -> ClusterState:
    """State from files, from AWS, or from both."""
    from eks_win_capacity.cluster.state import ClusterState

    if not files and name is None:
        raise click.UsageError("say which cluster: --cluster NAME, or --file FILE, or both")
    state = ClusterState()
    if files:
        from eks_win_capacity.files import load_files

        named = ", ".join(files[:3]) + ", ..." * (len(files) > 3)
        with progress(f"reading {named}"):
            state = load_files(*(sys.stdin.buffer if file == "-" else Path(file) for file in files))
    if name is not None:
        from eks_win_capacity import aws

        with progress(f"asking AWS about {name}") as tell:
            live = aws.load_cluster(
                name,
                session=_session(profile),
                region=region,
                endpoint_url=endpoint_url,
                on_call=tell,
            )
        state = live.merge(state)
    return state


def _session(profile: str | None) -> Any:
    if profile is None:
        return None
    import boto3

    from eks_win_capacity.aws.calls import faults

    with faults(operation="session", region=""):
        # boto3 only reads AWS_DEFAULT_REGION, and would use the profile's region.
        return boto3.session.Session(
            profile_name=profile, region_name=os.environ.get("AWS_REGION") or None
        )


pod_options = together(
    click.option("--pod-cpu", metavar="QUANTITY", help="CPU that each pod requests, such as 250m."),
    click.option("--pod-memory", metavar="QUANTITY", help="Memory of each pod, such as 1.5Gi."),
)
"""Options for the requests of a pod."""

binding_options = together(
    kubelet_option(KUBELET_MAX_PODS, "The kubelet's limit, or none."),
    pod_options,
)
"""Options for limits besides the addresses: max-pods, CPU and memory."""


def pool_of(
    configmap: IO[bytes] | None,
    *,
    prefix_delegation: bool,
    nitro: bool = True,
    slots: int | None = None,
) -> WarmPool:
    """Warm pool of a ConfigMap, or else the default one of a mode."""
    from eks_win_capacity.addresses.warm_pool import WarmPool

    if configmap is None:
        return WarmPool.prefix() if prefix_delegation and nitro else WarmPool.secondary()
    if prefix_delegation:
        raise click.UsageError("--configmap says the mode already; leave --prefix-delegation out")
    return WarmPool.from_configmap(filled_text_of(configmap), nitro=nitro, slots=slots)


NAMED_CAPACITIES: Final = "eks_win_capacity.capacities"
"""Key under which a command finds the subnets named by --capacity."""


def _capacity(context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> Any:
    named = [text.rpartition("=") for text in given]
    if len(named) == 1 and not named[0][1]:
        return _cidrs(given[0]) if _is_saved(given[0]) else _number(given[0])
    if not all(equals for _, equals, _ in named):
        raise click.BadParameter("stands once, or as SUBNET=CAPACITY for each subnet")
    names = [name for name, _, _ in named]
    if again := next((name for name in names if names.count(name) > 1), ""):
        raise click.BadParameter(f"{again} is given twice")
    context.meta[NAMED_CAPACITIES] = names
    return {name: _number(value) for name, _, value in named} or None


def _is_saved(text: str) -> bool:
    """Whether a capacity is a file or folder; a bare word is always a column."""
    return text.endswith((".json", ".yaml", ".yml", "/")) or ("/" in text and Path(text).exists())


def _cidrs(path: str) -> dict[str, str]:
    """CIDR of each subnet in a saved answer of the AWS CLI, or in a folder of answers."""
    from eks_win_capacity.files import load_files

    subnets = load_files(Path(path)).subnets
    if not subnets:
        raise InputError(f"--capacity {path} holds no subnet: save aws ec2 describe-subnets there")
    return {subnet.subnet_id: subnet.cidr for subnet in subnets}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


capacity_option = click.option(
    "--capacity",
    multiple=True,
    metavar="[SUBNET=]CAPACITY",
    callback=_capacity,
    help=(
        "Number of addresses, a CIDR, or a column of either; repeatable with SUBNET=. Or "
        "output of aws ec2 describe-subnets, as .json or in a folder/.  [default: a "
        "column capacity, total or cidr]"
    ),
)
"""Option for the capacity of subnets in a history: one for all, or one for each named subnet."""
