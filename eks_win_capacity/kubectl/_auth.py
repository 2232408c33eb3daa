"""The mapRoles of ConfigMap aws-auth, as the authenticator in the cluster reads them."""

from __future__ import annotations

from collections.abc import Mapping

from eks_win_capacity.cluster.state import RoleMapping
from eks_win_capacity.core.documents import yaml_value
from eks_win_capacity.core.errors import DocumentError, without_accounts


def role_mappings(data: Mapping[str, str]) -> tuple[RoleMapping, ...]:
    """
    Read the mapRoles of ConfigMap aws-auth; account ids are not kept.

    Keys count in any spelling of upper and lower case, as for the authenticator that
    reads them in the cluster.

    Raises
    ------
    DocumentError
        If mapRoles is not a YAML list of mappings.
    """
    listed = yaml_value(data.get("mapRoles", ""), name="mapRoles of aws-auth") or []
    made = []
    for index, entry in enumerate(listed if isinstance(listed, list) else [listed]):
        told = {str(k).lower(): v for k, v in entry.items()} if isinstance(entry, Mapping) else {}
        if not isinstance(told.get("rolearn"), str):
            raise DocumentError(
                f"mapRoles of aws-auth: entry {index} has no rolearn",
                source="aws-auth",
                place=f"mapRoles[{index}]",
            )
        arn = told["rolearn"].strip()
        path = arn.partition(":role/")[2] or arn
        groups = told.get("groups") or []
        made.append(
            RoleMapping(
                role=path.rpartition("/")[2].rpartition(":")[2],
                groups=tuple(map(str, groups if isinstance(groups, list) else [groups])),
                username=without_accounts(str(told.get("username") or "")),
                has_path="/" in path,
            )
        )
    return tuple(made)
