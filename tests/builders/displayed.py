"""Every kind of value that a notebook shows, by name."""

from functools import cache
from pathlib import Path

import pandas as pd

import eks_win_capacity as ewc

ROOT = Path(__file__).resolve().parents[2]
STATE = ewc.load_files(ROOT / "data" / "demo" / "cluster")
PREFIX, SECONDARY = ewc.WarmPool.prefix(), ewc.WarmPool.secondary()
POISSON = ewc.Poisson(pods_per_minute=3, lifetime=ewc.Fixed(60))


@cache
def plan():
    """One plan for all who show it, made once it is asked for and not by every collection."""
    return ewc.plan_fleet(
        STATE, current=STATE, candidates=["c5.xlarge", "m5.large", "t3.nano"], compare=False
    )


SHOWN = {
    "InstanceType": lambda: ewc.Catalog.bundled()["m5.large"],
    "NodeCapacity": lambda: ewc.node_capacity("m5.large"),
    "WarmPool": ewc.WarmPool.secondary,
    "PoolState": lambda: ewc.attached_addresses([3, 4], slots=9, pool=PREFIX),
    "NodesThatFit": lambda: ewc.nodes_that_fit(
        "10.0.0.0/24", "m5.large", pods_per_node=5, pool=PREFIX
    ),
    "check_cluster": lambda: ewc.check_cluster(STATE),
    "Finding": lambda: ewc.check_cluster(STATE)[0],
    "explain_pending": lambda: ewc.explain_pending(STATE),
    "PendingPod": lambda: ewc.explain_pending(STATE)[0],
    "ClusterState": lambda: STATE,
    "Fleet": lambda: ewc.Fleet.encode(["m5.large", "c5.large"]),
    "Reservation": lambda: ewc.Reservation("10.0.0.64/26", "prefix"),
    "CatalogDiff": lambda: ewc.Catalog.bundled().diff(ewc.Catalog.bundled().filter(family="m5")),
    "SmallestSubnet": lambda: ewc.smallest_subnet(
        nodes=3, instance_type="m5.large", pods_per_node=9
    ),
    "reservation_plan": lambda: ewc.reservation_plan("10.0.0.0/24", prefixes=3),
    "Subnet": lambda: ewc.Subnet("10.0.0.0/24", used=3),
    "cluster_report": lambda: ewc.cluster_report(STATE),
    "migration": lambda: ewc.migration("m5.large", 3, "to-prefix"),
    "Churn": lambda: ewc.simulate_churn(POISSON, nodes=2, slots=9, pool=SECONDARY, hours=0.2),
    "BestTargets": lambda: ewc.best_targets(
        POISSON, nodes=2, slots=9, candidates=[SECONDARY], hours=0.2
    ),
    "Poisson": lambda: POISSON,
    "CronJob": lambda: ewc.CronJob(pods=3, every_s=60, lifetime=ewc.Fixed(30)),
    "forecast": lambda: ewc.forecast_exhaustion(ewc.demo.subnet_usage(), capacity=1019, horizon=30),
    "findings of a forecast": lambda: (
        ewc.forecast_exhaustion(ewc.demo.subnet_usage(), capacity=1019, horizon=30).findings
    ),
    "demand": lambda: ewc.forecast_demand(
        pd.Series(range(100, 160), index=pd.date_range("2026-01-01", periods=60)),
        plan=ewc.DemandPlan(instance_type="m5.large", subnets={"a": "10.0.0.0/24"}),
        horizon=90,
    ),
    "DemandPlan": lambda: ewc.DemandPlan(instance_type="m5.large", subnets={"a": "10.0.0.0/24"}),
    "FleetPlan": plan,
    "groups": lambda: plan().groups,
    "NodeGroup": lambda: plan().groups[0],
    "rejected": lambda: plan().rejected,
    "FleetDiff": lambda: plan().diff(),
    "Workload": lambda: ewc.Workload(name="a", replicas=3),
    "Catalog": ewc.Catalog.bundled,
    "WindowsVerdict": lambda: ewc.Catalog.bundled()["m5.large"].windows,
    "nodes": lambda: STATE.nodes,
    "Node": lambda: STATE.nodes[0],
    "pods": lambda: STATE.pods,
    "subnets": lambda: STATE.subnets,
    "reservations": lambda: (
        ewc.Subnet(
            "10.0.0.0/24", used=3, reservations=[ewc.Reservation("10.0.0.64/26", "prefix")]
        ).reservations
    ),
    "drains": lambda: ewc.drains_for_blocks(STATE, blocks=1),
    "options": lambda: ewc.explain_pending(STATE)[0].options,
    "Check": lambda: ewc.cluster.CHECKS[0],
    "findings of a pool": lambda: (
        ewc.WarmPool.prefix(warm_ip_target=1, warm_prefix_target=2).findings
    ),
    "report": lambda: ewc.report(STATE, time_limit_s=1),
    "Reserved": ewc.Reserved,
    "Prices": lambda: ewc.estimate_windows_prices({"m5.large": 0.096}, as_of="2026-10-02"),
}
