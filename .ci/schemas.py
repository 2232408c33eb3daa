"""Hold what plans write against the published schemas of eksctl and Karpenter, in a directory."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from eks_win_capacity.planning import plan_fleet

LOADS = [
    {"name": "web", "replicas": 30, "cpu": "500m", "memory": "1Gi", "zone_spread": True},
    {"name": "job", "replicas": 12, "cpu": "1500m", "memory": "3Gi"},
]


def strict(schema: Any) -> Any:
    """Refuse fields that a schema does not name."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type", "object") == "object":
        schema.setdefault("additionalProperties", False)
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
    return schema


def of_crd(path: Path) -> dict[str, Any]:
    """Schema of the stored version of a resource definition; metadata is the API server's."""
    definition = yaml.safe_load(path.read_text("utf-8"))
    version = next(one for one in definition["spec"]["versions"] if one["storage"])
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return dict(schema)


def main(folder: Path) -> int:
    """Check plans of every launcher, mode and limit; the number of faults is given back."""
    eksctl = json.loads((folder / "eksctl.json").read_text("utf-8"))
    eksctl = {**eksctl, "definitions": strict(eksctl["definitions"])}
    pool = of_crd(folder / "karpenter.sh_nodepools.yaml")
    node_class = of_crd(folder / "karpenter.k8s.aws_ec2nodeclasses.yaml")
    faults = written = 0
    for launcher, prefix, most, reserved in itertools.product(
        ("eksctl", "karpenter"), (False, True), (110, 250), (None, {"cpu": 0, "memory": 0})
    ):
        plan = plan_fleet(
            LOADS,
            candidates=["m5.*large", "c5.*"],
            zones=["eu-west-1a", "eu-west-1b"],
            launcher=launcher,  # type: ignore[arg-type]
            prefix_delegation=prefix,
            kubelet_max_pods=most,
            reserved=reserved,
            compare=False,
        )
        texts = [
            (plan.node_groups(), eksctl),
            (plan.node_groups(ami="ami-0123456789abcdef0"), eksctl),
            (plan.karpenter(), pool),
            (plan.karpenter_node_class(), node_class),
        ]
        for text, schema in texts:
            written += 1
            for error in jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text)):
                faults += 1
                where = ".".join(map(str, error.absolute_path))
                print(f"{launcher}: {where}: {' '.join(error.message.split())[:200]}")
    print(f"{written} manifests, {faults} faults")
    return faults


if __name__ == "__main__":
    sys.exit(min(1, main(Path(sys.argv[1]))))
