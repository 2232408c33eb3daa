"""Messages of the library in terms of command-line options."""

from __future__ import annotations

import re
from errno import ENOSPC

import click


def plain_message(error: Exception) -> str:
    """Message of an error; for an OSError, the file and the problem."""
    if not isinstance(error, OSError):
        return str(error)
    if error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}"
    return f"standard output: {error.strerror}" if error.errno == ENOSPC else str(error)


def with_options(message: str, command: click.Command | None) -> str:
    """
    Message of an error with command-line options in place of Python arguments.

    Examples
    --------
    >>> from eks_win_capacity.cli.capacity import node
    >>> with_options("kubelet_max_pods must be a whole number; got -1", node)
    '--kubelet-max-pods must be a whole number; got -1'
    """
    commands = [command, *getattr(command, "commands", {}).values()]
    names = {
        alias: option
        for each in commands
        for parameter in getattr(each, "params", ())
        if isinstance(parameter, click.Option) and parameter.name and not parameter.hidden
        for option in [max(parameter.opts, key=len)]
        for alias in (parameter.name, *_OTHERWISE.get(parameter.name, ()))
    }
    message = message.replace(_SESSION, _PROFILE if "profile" in names else "")
    if "used" not in names:
        message = message.replace(_ROLES, _HEADINGS)
    for parameter in (p for each in commands for p in getattr(each, "params", ())):
        # An argument with a boolean value in Python may be a choice here.
        for value in parameter.type.choices if isinstance(parameter.type, click.Choice) else ():
            message = re.sub(
                rf"\b{value}=True\b", f"{max(parameter.opts, key=len)} {value}", message
            )
    for name, option in names.items():
        # An English word is an argument only at the beginning of a message, or before ``=``.
        pattern = (
            rf"\b{name}\b(?:=True\b)?"
            if "_" in name
            else rf"(?:\A{name}(?= must | is | has )|\b{name}(?==[^\s;,])|\b{name}=(?=[\s;,]|\Z))"
        )
        message = re.sub(rf"(?<![-\w.'\"(]){pattern}(?![\w(])", option, message)
    return message


_OTHERWISE = {
    "time_limit": ("time_limit_s",),
    "ec2_latency": ("ec2_latency_s",),
    "wait": ("wait_s",),
    "pods": ("pods_running",),
    "seed": ("rng",),
    "rate_per_minute": ("pods_per_minute",),
    "types": ("instance_type",),
    "named": ("instance_type",),
    "candidates": ("instance_type",),
}
"""Arguments of functions whose option has another name."""

_SESSION, _PROFILE = ", or pass session=boto3.Session(...)", ", or give --profile NAME"
"""Hints on AWS credentials, for Python and for the command line."""

_ROLES = (
    "name it with used=NAME, available=NAME or percent=NAME, or say used=True or available=True"
)
_HEADINGS = "head its columns time, subnet, and used or available"
"""Hints on the columns of a history, for Python and for commands without such options."""
