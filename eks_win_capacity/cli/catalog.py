"""The command ``catalog``: query, compare and refresh the instance table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eks_win_capacity.cli.options import TYPE_NAME
from eks_win_capacity.cli.output import emit, output_option, output_options, say, tell_fields
from eks_win_capacity.core.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from eks_win_capacity.catalog import Catalog, InstanceType

_LISTED = (
    "instance_type", "ipv4_per_interface", "nitro", "vcpus", "memory_mib", "windows",
    "windows_reasons",
)  # fmt: skip


@click.group()
def catalog() -> None:
    """
    Query, compare and refresh the instance table.

    \b
    Examples:
      eks-win-capacity catalog list --family m5 --region eu-west-1
      eks-win-capacity catalog show m5.large
      aws ec2 describe-instance-types > now.json
      eks-win-capacity catalog diff bundled now.json
    """  # noqa: D301


def read_catalog(source: str) -> Catalog:
    """Catalog from ``bundled``, a saved catalog or the output of the AWS CLI."""
    from eks_win_capacity.catalog import Catalog, saved

    if source == "bundled":
        return Catalog.bundled()
    document, name = saved.read_json(source)
    if isinstance(document, dict) and "format" in document:
        return saved.from_document(document, name, catalog=Catalog)
    return Catalog.from_describe_instance_types(document, source_name=name)


def _source_option(function: Any) -> Any:
    return click.option(
        "--catalog",
        "source",
        default="bundled",
        show_default=True,
        help="The table: bundled, a saved catalog, or describe-instance-types output.",
    )(function)


@catalog.command("list")
@click.argument("patterns", nargs=-1)
@click.option("--family", multiple=True, help="Family, such as m5; repeatable.")
@click.option("--region", multiple=True, help="Offered in this region.")
@click.option("--architecture", multiple=True, help="Such as x86_64.")
@click.option("--hypervisor", type=click.Choice(["nitro", "xen"]))
@click.option("--usage-class", multiple=True, help="Such as spot.")
@click.option(
    "--windows",
    multiple=True,
    type=click.Choice(["supported", "warned", "unsupported"]),
    help="Status as a Windows node on EKS; repeatable.",
)
@click.option(
    "--nitro/--no-nitro", default=None, help="Whether the type supports prefix delegation."
)
@click.option("--bare-metal/--no-bare-metal", default=None)
@click.option("--current/--previous", "current_generation", default=None, help="Generation.")
@click.option("--min-vcpus", type=click.IntRange(0))
@click.option("--max-vcpus", type=click.IntRange(0))
@click.option("--min-memory-mib", type=click.IntRange(0))
@click.option("--max-memory-mib", type=click.IntRange(0))
@click.option("--min-addresses", "min_ipv4_per_interface", type=click.IntRange(0))
@click.option("--max-addresses", "max_ipv4_per_interface", type=click.IntRange(0))
@_source_option
@output_options
def list_types(patterns: tuple[str, ...], source: str, output: str, **conditions: Any) -> None:
    """
    List the types that meet every condition.

    \b
    Examples:
      eks-win-capacity catalog list 'm5*.large' --windows supported
      eks-win-capacity catalog list --region eu-west-1 --min-vcpus 8 -o csv
    """  # noqa: D301
    table = read_catalog(source)
    for family in conditions["family"]:
        if not table.filter(family=family):
            raise InputError(f"no family {family!r} in the catalog of {table.as_of}")
    given = {name: (None if value == () else value) for name, value in conditions.items()}
    matching = table.filter(names=patterns or None, **given)
    if patterns and not matching and not table.filter(names=patterns):
        raise table.unknown_error(patterns)
    rows = [row.to_dict() for row in matching.values()]
    columns = _LISTED if output == "table" else tuple(next(iter(table.values())).to_dict())
    emit(
        rows,
        output,
        columns=columns,
        note=f"{len(rows):,} of {len(table):,} types, {_origin(table)}",
    )


@catalog.command("show")
@click.argument("names", type=TYPE_NAME, nargs=-1, required=True, metavar="TYPE...")
@_source_option
@output_option
def show(names: tuple[str, ...], source: str, output: str) -> None:
    """Show all data on instance types, with reasons and sources."""
    table = read_catalog(source)
    rows = [table[name].to_dict() | _sources(table[name]) for name in names]
    if output == "table":
        for row in rows:
            tell_fields(row)
        say(_origin(table))
        return
    emit(rows, output)


@catalog.command("diff")
@click.argument("before")
@click.argument("after")
@output_options
def diff(before: str, after: str, output: str) -> None:
    """
    Compare two tables: bundled, saved, or what the AWS CLI printed.

    \b
    Example:
      eks-win-capacity catalog diff bundled now.json
    """  # noqa: D301
    delta = read_catalog(before).diff(read_catalog(after))
    columns = ("instance_type", "change", "field", "before", "after")
    rows = [
        {**row, "before": _printable(row["before"]), "after": _printable(row["after"])}
        for row in delta.rows()
    ]
    emit(rows, output, columns=columns, title=f"{delta.before} -> {delta.after}", note=str(delta))


@catalog.command("refresh")
@click.option("--from-moto", is_flag=True, help="Use the EC2 mock of the package moto.")
@click.option("--endpoint-url", help="URL to use instead of AWS.")
@click.option("--profile", help="The AWS profile to use.")
@click.option("--regions", help="Comma-separated regions; all enabled regions by default.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="The folder data/ of a checkout.")
@click.option("--dry-run", is_flag=True, help="Show what would change without changing anything.")
def refresh(
    *,
    from_moto: bool,
    endpoint_url: str | None,
    profile: str | None,
    regions: str | None,
    data_dir: Path | None,
    dry_run: bool,
) -> None:
    """
    Fetch the table again and rewrite data/.

    The files generated from data/ are also rewritten. Everything is fetched and checked before
    any file is replaced; without changes in EC2's answer no byte changes.

    \b
    Examples:
      eks-win-capacity catalog refresh --from-moto
      eks-win-capacity catalog refresh --profile capacity --regions us-east-1,eu-west-1
    """  # noqa: D301
    from eks_win_capacity.aws.refresh import read_hand_kept
    from eks_win_capacity.aws.refresh import refresh as renew

    if from_moto and (endpoint_url or profile):
        raise click.UsageError("--from-moto goes with neither --endpoint-url nor --profile")
    here = Path(__file__).resolve().parent.parent
    data = data_dir or here.parent / "data"
    read_hand_kept(data)
    checkout = data.resolve().parent / "eks_win_capacity" / "_data"
    settings: dict[str, Any] = {
        "data": data,
        "package": checkout if checkout.is_dir() else data.resolve(),
        "regions": [name.strip() for name in regions.split(",")] if regions else None,
        "dry_run": dry_run,
    }
    if from_moto:
        done = _from_moto(settings)
    else:
        import boto3

        from eks_win_capacity.aws.calls import faults

        with faults(operation="session", region=""):
            settings["session"] = boto3.session.Session(profile_name=profile)
        if endpoint_url:
            settings.update(endpoint_url=endpoint_url, version=endpoint_url, source="EC2 API at")
        done = renew(**settings)
    say(f"{done.instance_types:,} types, {len(done.regions)} regions: {done.diff}")
    if done.left_out:
        say(f"regions that offer nothing, left out: {', '.join(done.left_out)}")
    say("\n".join(f"wrote {path}" for path in done.written) or "no file changed")


def _from_moto(settings: dict[str, Any]) -> Any:
    """Refresh from moto's mock server, run on a free local port."""
    try:
        from moto import __version__ as version
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise MissingExtraError("moto", extra="test", purpose="--from-moto") from error
    import logging

    import boto3

    from eks_win_capacity.aws.refresh import refresh as renew

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        session = boto3.session.Session(
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
            region_name="us-east-1",
        )
        return renew(
            **settings,
            session=session,
            endpoint_url=f"http://{host}:{port}",
            source="moto",
            version=version,
        )
    finally:
        server.stop()


def _sources(row: InstanceType) -> dict[str, Any]:
    reasons = "; ".join(f"{r.code}: {r.why} ({r.date}, {r.source})" for r in row.windows.reasons)
    return {"windows_why": reasons or None, "windows_source": row.windows.source}


def _origin(table: Catalog) -> str:
    return f"table of {table.as_of}, {table.source}"


def _printable(value: Any) -> Any:
    """Value of a field in a type that every format can print."""
    return value if value is None or isinstance(value, (bool, int, str, tuple)) else str(value)
