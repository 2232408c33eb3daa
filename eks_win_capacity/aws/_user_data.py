"""What a launch template says of the nodes it starts, by its user data and interfaces."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.core.errors import InvalidQuantityError
from eks_win_capacity.core.quantities import whole_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_PODS: Final = re.compile(r"""--max-pods[=\s]+["']?([0-9]{1,5})""")
_RESERVED: Final = re.compile(
    r"--(?:kube|system)-reserved[=\s]+[\"']?[^\s\"']*?memory=([0-9.]+[A-Za-z]{0,2})"
)
_SERVICES: Final = re.compile(r"-ServiceCIDR\s+[\"']?([0-9./]+)", re.IGNORECASE)
_DSR: Final = re.compile(r"--enable-dsr(?:=true)?(?![=\w])|WinDSR=true", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class UserData:
    """
    The bootstrap arguments that matter to capacity; the text itself is not kept.

    Attributes
    ----------
    max_pods, reserved_memory_mib : int or None
        As for a node group. [pods], [MiB]
    bootstraps : bool or None
        Whether it runs the bootstrap script of Windows; None if there is none to look at.
    service_cidr : str
    dsr : bool
    windows : bool
        Whether it is written for Windows.
    """

    max_pods: int | None = None
    reserved_memory_mib: int | None = None
    bootstraps: bool | None = None
    service_cidr: str = ""
    dsr: bool = False
    windows: bool = False


def read(data: Mapping[str, Any] | None) -> UserData:
    """
    The bootstrap arguments in the data of a launch template.

    Examples
    --------
    >>> told = read({"UserData": "<powershell> & Start-EKSBootstrap.ps1 -KubeletExtraArgs "
    ...                          "'--max-pods=60 --kube-reserved memory=0.5Gi'"})
    >>> told.max_pods, told.reserved_memory_mib, told.bootstraps, told.service_cidr
    (60, 512, True, '')
    """
    if data is None:
        return UserData()
    script = _script(data.get("UserData"))
    # The kubelet takes the last one where a flag is given twice.
    limits = _MAX_PODS.findall(script)
    kept = [memory for text in _RESERVED.findall(script) if (memory := _bytes(text)) is not None]
    services = _SERVICES.search(script)
    bootstraps = "start-eksbootstrap" in script.lower() or "-EKSClusterName" in script
    return UserData(
        max_pods=int(limits[-1]) if limits else None,
        reserved_memory_mib=sum(kept) // 2**20 if kept else None,
        bootstraps=bootstraps,
        service_cidr=services[1] if services else "",
        dsr=bool(_DSR.search(script)),
        windows=bootstraps or "<powershell>" in script.lower(),
    )


def prefixes(data: Mapping[str, Any] | None) -> int | None:
    """
    Number of /28 prefixes that a node's first interface gets at launch; None without data.

    Examples
    --------
    >>> prefixes({"NetworkInterfaces": [{"DeviceIndex": 0, "Ipv4PrefixCount": 2}]}), prefixes({})
    (2, 0)
    """
    if data is None:
        return None
    return sum(
        one.get("Ipv4PrefixCount") or len(one.get("Ipv4Prefixes") or ())
        for one in data.get("NetworkInterfaces") or ()
        if not one.get("DeviceIndex")
    )


def _bytes(text: str) -> int | None:
    try:
        return whole_bytes(text)
    except InvalidQuantityError:
        return None


def _script(text: str | None) -> str:
    """The text of user data, which EC2 gives in base 64."""
    if text is None:
        return ""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
