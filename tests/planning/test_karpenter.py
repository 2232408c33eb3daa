"""Karpenter's belief about Windows nodes, against what they give."""

import pandas as pd
import pytest
from ec2_rows import ec2_row

from eks_win_capacity.catalog import Catalog
from eks_win_capacity.cluster import karpenter_view
from eks_win_capacity.core.errors import InputError, InvalidQuantityError, UnknownInstanceTypeError
from eks_win_capacity.planning import plan_fleet

TEMPLATE = "k8s.io/cluster-autoscaler/node-template/"


def test_karpenter_starts_more_nodes_than_prefixes_need():
    view = karpenter_view(["m5.large", "m4.large"], pods=1000).set_index("instance_type")
    assert view.loc["m5.large", "nodes_started"] == 112
    assert view.loc["m5.large", "nodes_needed"] == 10
    assert view.loc["m5.large", "surplus_nodes"] == 102
    assert view.loc["m4.large", "surplus_nodes"] == 0
    with pytest.raises(UnknownInstanceTypeError):
        karpenter_view("m5.larg")


def test_without_prefixes_karpenter_is_right():
    view = karpenter_view("m5.large", pods=100, prefix_delegation=False).iloc[0]
    assert (view.karpenter_addresses, view.advertised, view.surplus_nodes) == (9, 9, 0)


def test_karpenters_own_reservations_follow_its_formulas():
    view = karpenter_view(["m5.large", "m5.24xlarge"]).set_index("instance_type")
    # 8,192 MiB less 7.5 %, rounded up: 615; 11 x 110 + 255; 100 for eviction.
    assert view.loc["m5.large", "karpenter_memory_mib"] == 8192 - 615 - 1465 - 100
    assert view.loc["m5.large", "karpenter_cpu_m"] == 2000 - 60 - 10
    # 60 + 10 + 2 x 5 + 92 x 2.5
    assert view.loc["m5.24xlarge", "karpenter_cpu_m"] == 96_000 - 310
    assert view.loc["m5.24xlarge", "karpenter_memory_mib"] == 393_216 - 29_492 - 1465 - 100
    # maxPods of the EC2NodeClass moves the reservation.
    raised = karpenter_view("m5.large", kubelet_max_pods=144).iloc[0]
    assert raised.karpenter_memory_mib == 8192 - 615 - (11 * 144 + 255) - 100


def test_requests_bind_on_both_sides():
    view = karpenter_view("m5.large", pods=100, pod_cpu="100m", pod_memory="1Gi").iloc[0]
    # Karpenter: 6,012 MiB; the node: 8,192 - 2,048 - 500 = 5,644 MiB.
    assert (view.karpenter_pods, view.karpenter_binding) == (5, "memory")
    assert (view.real_pods, view.real_binding, view.real_memory_mib) == (5, "memory", 5644)
    assert view.surplus_nodes == 0
    small = karpenter_view("m5.large", pods=100, pod_cpu="100m").iloc[0]
    assert (small.karpenter_pods, small.karpenter_binding) == (9, "addresses")
    assert (small.real_pods, small.real_binding) == (20, "cpu")
    assert small.surplus_nodes == 12 - 5


def test_a_pod_that_fits_no_node_has_no_number_of_nodes():
    view = karpenter_view("m5.large", pods=5, pod_memory="16Gi").iloc[0]
    assert (view.karpenter_pods, view.real_pods) == (0, 0)
    assert pd.isna(view.nodes_started)
    assert pd.isna(view.surplus_nodes)


def test_the_tags_of_the_cluster_autoscaler_are_given_whole():
    view = karpenter_view("m5.large").iloc[0]
    assert view.node_template_tags == {
        f"{TEMPLATE}resources/vpc.amazonaws.com/PrivateIPv4Address": "144",
        f"{TEMPLATE}label/kubernetes.io/os": "windows",
        f"{TEMPLATE}label/kubernetes.io/arch": "amd64",
    }
    assert view.node_template_tag == (
        f"{TEMPLATE}resources/vpc.amazonaws.com/PrivateIPv4Address=144"
    )


def test_a_type_without_windows_is_marked():
    view = karpenter_view(["m5.large", "m6g.large"])
    assert list(view["windows"]) == ["supported", "unsupported"]


def test_every_type_has_a_view():
    names = list(Catalog.bundled())
    view = karpenter_view(names, pods=500)
    assert list(view["instance_type"]) == names
    assert (view["nodes_started"] >= view["nodes_needed"]).all()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"pods": 0}, InputError),
        ({"kubelet_max_pods": 0}, InputError),
        ({"pod_cpu": "much"}, InvalidQuantityError),
    ],
)
def test_a_question_without_sense_is_refused(options, error):
    with pytest.raises(error):
        karpenter_view("m5.large", **options)


def test_no_type_is_no_question():
    with pytest.raises(InputError):
        karpenter_view([])


def test_what_karpenter_counts_for_a_type_it_may_not_know_is_missing():
    catalog = Catalog.from_describe_instance_types({"InstanceTypes": [ec2_row("zz9.large")]})
    new = karpenter_view("zz9.large", pods=100, catalog=catalog).iloc[0]
    assert pd.isna(new.karpenter_addresses)
    assert pd.isna(new.karpenter_pods)
    assert pd.isna(new.nodes_started)
    assert new.karpenter_binding == "unknown"
    assert new.advertised > 0


def test_karpenter_counts_no_address_on_the_types_that_its_table_lacks():
    # karpenter-provider-aws, zz_generated.vpclimits.go of 2026-08-06, against the bundled table.
    view = karpenter_view(list(Catalog.bundled()), pods=100).set_index("instance_type")
    lacking = view[view["karpenter_addresses"] == 0]
    bundled = Catalog.bundled()
    x86 = [name for name in lacking.index if "arm64" not in bundled[name].windows.codes]
    assert (len(lacking), len(view) - len(lacking), view["karpenter_addresses"].isna().sum()) == (
        36, 1372, 0,
    )  # fmt: skip
    assert sorted({name.partition(".")[0] for name in x86}) == [
        "hpc6a", "hpc6id", "hpc7a", "hpc8a", "t8i", "trn2", "trn2u",
    ]  # fmt: skip
    assert len(x86) == 14
    assert set(lacking["karpenter_binding"]) == {"addresses"}
    assert lacking["nodes_started"].isna().all()
    newer = view.loc["m8in.large"]
    assert (newer.karpenter_addresses, newer.karpenter_pods) == (19, 19)


def test_nothing_is_planned_on_a_type_that_karpenter_never_starts_for_windows():
    loads = [{"name": "web", "replicas": 3, "cpu": "250m", "memory": "256Mi"}]
    for launcher, feasible in (("eksctl", True), ("karpenter", False)):
        answer = plan_fleet(loads, candidates=["hpc6a.48xlarge"], launcher=launcher)
        assert answer.feasible is feasible
