"""Which CSI drivers serve the volumes of pods and manifests, by claims, volumes and classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from eks_win_capacity.kubectl._objects import metadata, pod_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KINDS: Final = ("PersistentVolume", "PersistentVolumeClaim", "StorageClass")
"""The kinds that tell the driver of a volume."""

_IN_TREE: Final = {"kubernetes.io/aws-ebs": "ebs.csi.aws.com"}
"""Provisioners of old, whose volumes Kubernetes hands to a CSI driver since 1.23."""


class Volumes:
    """What was read of volumes, and of who mounts them."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._volumes: dict[str, str] = {}
        self._claims: dict[tuple[str, str], tuple[str, str]] = {}
        self._mounts: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {}

    def take(self, kind: str, item: Mapping[str, Any]) -> None:
        """Read one object of `KINDS`."""
        namespace, name, _ = metadata(item)
        spec = item.get("spec") or {}
        if kind == "StorageClass":
            self._classes[name] = str(item.get("provisioner") or "")
        elif kind == "PersistentVolume":
            own = "ebs.csi.aws.com" if spec.get("awsElasticBlockStore") else ""
            self._volumes[name] = str((spec.get("csi") or {}).get("driver") or own)
        else:
            self._claims[namespace, name] = (
                str(spec.get("volumeName") or ""),
                str(spec.get("storageClassName") or ""),
            )

    def mount(self, record: Any, item: Mapping[str, Any]) -> None:
        """Note what a pod or a manifest mounts: drivers, claims and classes by their names."""
        template = item if item["kind"] == "Pod" else pod_template(item)
        found = tuple(_mounted(template.get("spec") or {}, item.get("spec") or {}))
        if found:
            self._mounts[_key(record)] = found

    def served(self, records: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        """Pods or manifests with their drivers; an empty one stands for one that is not known."""
        if records is None or not self._mounts:
            return records
        return tuple(
            replace(record, csi_drivers=tuple(dict.fromkeys(map(self._driver, said))))
            if (
                said := tuple(
                    (record.namespace, *one) for one in self._mounts.get(_key(record), ())
                )
            )
            else record
            for record in records
        )

    def _driver(self, mounted: tuple[str, str, str]) -> str:
        namespace, kind, name = mounted
        if kind == "claim":
            volume, of_class = self._claims.get((namespace, name), ("", ""))
            found = self._volumes.get(volume) or self._classes.get(of_class, "")
        else:
            found = name if kind == "driver" else self._classes.get(name, "")
        return _IN_TREE.get(found, found)


def _key(record: Any) -> tuple[str, str, str]:
    return (getattr(record, "kind", ""), record.namespace, record.name)


def _mounted(spec: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in spec.get("volumes") or ():
        if driver := (volume.get("csi") or {}).get("driver"):
            yield "driver", str(driver)
        elif claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield "claim", str(claim)
    for claim in own.get("volumeClaimTemplates") or ():
        yield "class", str((claim.get("spec") or {}).get("storageClassName") or "")
