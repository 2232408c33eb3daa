"""Messages of the library in the words of the command line."""

from __future__ import annotations

import re
from errno import ENOSPC

import click


def plain_message(error: Exception) -> str:
    """Message of an error; of the operating system's, which file and what is wrong with it."""
    if not isinstance(error, OSError):
        return str(error)
    if error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}"
    return f"standard output: {error.strerror}" if error.errno == ENOSPC else str(error)


def with_options(message: str, command: click.Command | None) -> str:
    """
    Message of an error with the options of a command in place of arguments of Python.

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
        # What Python says by a truth value may be a choice here.
        for value in parameter.type.choices if isinstance(parameter.type, click.Choice) else ():
            message = re.sub(
                rf"\b{value}=True\b", f"{max(parameter.opts, key=len)} {value}", message
            )
    for name, option in names.items():
        # A word of English is a name only where a message begins with it.
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
"""Arguments of functions that options bear under another name."""

_SESSION, _PROFILE = ", or pass session=boto3.Session(...)", ", or give --profile NAME"
"""What AWS asks with, in Python and here."""

_ROLES = (
    "name it with used=NAME, available=NAME or percent=NAME, or say used=True or available=True"
)
_HEADINGS = "head its columns time, subnet, and used or available"
"""What the columns of a history are, by arguments and where a command has no options for them."""
