"""Every kind of object that kubectl prints and a planner needs, one by one."""

import json

import pytest
import yaml
from eks_samples import AUTH, CNI, node, pod

from eks_win_capacity import kubectl
from eks_win_capacity.core.errors import DocumentError


def called(kind, name, namespace="shop", **more):
    labels = {"labels": more.pop("labels")} if "labels" in more else {}
    extra = more.pop("meta", {})
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **labels, **extra},
        **more,
    }


def template(**spec):
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c"}], **spec},
    }


WINDOWS = {"kubernetes.io/os": "windows"}


# -- services and what stands behind them ------------------------------------------------


def slice_of(name, service, *addresses):
    labels = {"kubernetes.io/service-name": service}
    return called(
        "EndpointSlice",
        name,
        labels=labels,
        addressType="IPv4",
        endpoints=[{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
    )


def test_the_backends_of_a_service_are_counted_over_its_slices():
    web = called("Service", "web", spec={"type": "LoadBalancer", "selector": {"app": "web"}})
    idle = called("Service", "idle", spec={})
    parts = [
        slice_of("web-1", "web", *(f"10.0.0.{n}" for n in range(100))),
        slice_of("web-2", "web", *(f"10.0.0.{n}" for n in range(90, 130))),
    ]
    first, second = kubectl.load([web, idle, *parts]).services
    assert (first.kind, first.selector, first.backends) == ("LoadBalancer", (("app", "web"),), 130)
    assert (second.kind, second.backends) == ("ClusterIP", 0)
    alone = kubectl.load([web])
    assert alone.services[0].backends is None


def test_endpoints_that_were_cut_short_tell_no_count():
    web = called("Service", "web", spec={"selector": {"app": "web"}})
    subsets = [
        {
            "addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)],
            "notReadyAddresses": [{"ip": "10.0.0.9"}],
        }
    ]
    whole = called("Endpoints", "web", subsets=subsets)
    assert kubectl.load([web, whole]).services[0].backends == 6
    over = {"annotations": {"endpoints.kubernetes.io/over-capacity": "truncated"}}
    cut = called("Endpoints", "web", subsets=subsets, meta=over)
    assert kubectl.load([web, cut]).services[0].backends is None
    sliced = slice_of("web-1", "web", *(f"10.0.0.{n}" for n in range(7)))
    assert kubectl.load([web, cut, sliced]).services[0].backends == 7


def test_services_are_known_to_be_none_only_where_that_is_said():
    assert kubectl.load(services={"kind": "List", "items": []}).services == ()
    assert kubectl.load([node("win-1")], events=[]).services is None


# -- workloads ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job",
     "Rollout"],
)  # fmt: skip
def test_every_kind_of_workload_is_read(kind):
    item = called(kind, "web", spec={"replicas": 3, "template": template(nodeSelector=WINDOWS)})
    (workload,) = kubectl.load(item).workloads
    assert (workload.full_name, workload.selects_os, workload.replicas) == (
        f"{kind} shop/web",
        "windows",
        3,
    )
    assert workload.labels == (("app", "web"),)


def test_a_cron_job_holds_its_template_deeper():
    spec = {"jobTemplate": {"spec": {"template": template(os={"name": "windows"})}}}
    (workload,) = kubectl.load(called("CronJob", "nightly", spec=spec)).workloads
    assert (workload.selects_os, workload.declares_os, workload.replicas) == ("", "windows", None)


def test_what_another_object_made_is_counted_once():
    owner = {"ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}]}
    replica_set = called("ReplicaSet", "web-5d4f", spec={"template": template()}, meta=owner)
    web = called("Deployment", "web", spec={"template": template()})
    assert [w.kind for w in kubectl.load([web, replica_set]).workloads] == ["Deployment"]


def test_a_runtime_class_selects_the_node_wherever_it_stands():
    web = called("Deployment", "web", spec={"template": template(runtimeClassName="windows-2022")})
    runtime = called("RuntimeClass", "windows-2022", scheduling={"nodeSelector": WINDOWS})
    for order in ([web, runtime], [runtime, web]):
        assert kubectl.load(order).workloads[0].selects_os == "windows"
    assert kubectl.load(web).workloads[0].selects_os == ""


@pytest.mark.parametrize(
    ("terms", "selects"),
    [
        ([[("In", ["windows"])]], "windows"),
        ([[("NotIn", ["linux"])]], "windows"),
        ([[("In", ["windows", "linux"])]], ""),
        ([[("In", ["windows"])], [("In", ["linux"])]], ""),
        ([[("Exists", None)]], ""),
        ([], ""),
    ],
)
def test_a_node_affinity_selects_only_what_each_term_demands(terms, selects):
    selectors = [
        {
            "matchExpressions": [
                {"key": "kubernetes.io/os", "operator": how, **({"values": v} if v else {})}
                for how, v in term
            ]
        }
        for term in terms
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": selectors}}
    web = called(
        "Deployment", "web", spec={"template": template(affinity={"nodeAffinity": required})}
    )
    assert kubectl.load(web).workloads[0].selects_os == selects


# -- the rest ----------------------------------------------------------------------------


def test_security_group_policies_tell_whom_they_select():
    by_label = called(
        "SecurityGroupPolicy", "a", spec={"podSelector": {"matchLabels": {"app": "web"}}}
    )
    by_account = called("SecurityGroupPolicy", "b", spec={"serviceAccountSelector": {"x": "y"}})
    first, second = kubectl.load([by_label, by_account]).security_group_policies
    assert (first.selector, first.readable) == ((("app", "web"),), True)
    assert not second.readable


def test_the_version_of_the_server_is_that_of_the_cluster():
    versions = {
        "clientVersion": {"gitVersion": "v1.33.0"},
        "serverVersion": {"gitVersion": "v1.30.4-eks-a737599", "minor": "30+"},
    }
    assert kubectl.load(versions).version == "1.30"


def test_an_event_tells_what_the_scheduler_did_not():
    late = pod("a", "win-1", phase="Pending")
    said = {"type": "Warning", "message": "Failed to create pod sandbox: no IP address"}
    about = {"involvedObject": {"kind": "Pod", "namespace": "shop", "name": "a"}}
    normal = called("Event", "n", **{**about, "type": "Normal", "message": "Pulled"})
    for event in (
        called("Event", "e", **about, **said),
        called(
            "Event", "e", regarding=about["involvedObject"], type="Warning", note=said["message"]
        ),
    ):
        (pending,) = kubectl.load([late, node("win-1")], events=[event, normal]).pods
        assert pending.message == said["message"]
    waiting = pod("b", phase="Pending")
    event = called(
        "Event", "e", involvedObject={"kind": "Pod", "namespace": "shop", "name": "b"}, **said
    )
    assert kubectl.load([waiting, event]).pods[0].message.startswith("0/4 nodes")


def test_an_owner_is_named_as_people_know_it():
    owned = pod("web-5d4f-x")
    owned["metadata"]["labels"]["pod-template-hash"] = "5d4f"
    for kind, name, owner in (
        ("ReplicaSet", "web-5d4f", "Deployment/web"),
        ("ReplicaSet", "bare", "ReplicaSet/bare"),
        ("StatefulSet", "db", "StatefulSet/db"),
    ):
        owned["metadata"]["ownerReferences"] = [
            {"kind": "Other", "name": "o", "controller": False},
            {"kind": kind, "name": name, "controller": True},
        ]
        assert kubectl.load(owned, nodes=[]).pods[0].owner == owner
    labels = owned["metadata"]["labels"]
    labels["rollouts-pod-template-hash"] = labels.pop("pod-template-hash")
    owned["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-5d4f"}]
    assert kubectl.load(owned, nodes=[]).pods[0].owner == "Rollout/web"


# -- ConfigMaps ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        CNI,
        CNI["data"],
        json.dumps(CNI),
        yaml.safe_dump(CNI),
        yaml.safe_dump(CNI["data"]),
        {"kind": "List", "items": [AUTH, CNI]},
        {"data": CNI["data"]},
    ],
    ids=["object", "data", "json", "yaml", "yaml-data", "list", "data-member"],
)
def test_the_configmap_is_found_however_it_was_saved(source):
    assert kubectl.load(configmap=source).cni_configmap == CNI["data"]


def test_another_configmap_is_not_taken_for_it():
    with pytest.raises(DocumentError, match="kube-system/aws-auth"):
        kubectl.load(configmap=AUTH)
    elsewhere = called("ConfigMap", "amazon-vpc-cni", "shop", data={"a": "b"})
    assert kubectl.load([elsewhere, node("win-1")]).cni_configmap is None
    listed = {
        "kind": "List",
        "items": [called("ConfigMap", "kube-root-ca.crt", "kube-system", data={})],
    }
    assert kubectl.load(configmap=listed).cni_configmap == {}


def test_two_configmaps_that_differ_are_refused():
    with pytest.raises(DocumentError, match="two sources hold different"):
        kubectl.load(CNI, configmap={"enable-windows-ipam": "false"})
    assert kubectl.load(CNI, configmap=CNI["data"]).cni_configmap == CNI["data"]


def test_one_object_twice_must_be_the_same():
    assert len(kubectl.load([node("win-1"), node("win-1")]).nodes) == 1
    with pytest.raises(DocumentError, match="win-1 twice"):
        kubectl.load([node("win-1"), node("win-1", allocatable={"pods": "200"})])


CLAIM = {
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "namespace": "default"},
    "spec": {"volumeName": "pv-1", "storageClassName": "gone"},
}


def a_volume(**spec):
    return {"kind": "PersistentVolume", "metadata": {"name": "pv-1"}, "spec": spec}


@pytest.mark.parametrize(
    ("volume", "objects", "driver"),
    [
        ({"csi": {"driver": "smb.csi.k8s.io"}}, [], ("smb.csi.k8s.io",)),
        ({"emptyDir": {}}, [], ()),
        ({"persistentVolumeClaim": {"claimName": "data"}}, [CLAIM], ("",)),
        (
            {"persistentVolumeClaim": {"claimName": "data"}},
            [CLAIM, a_volume(csi={"driver": "efs.csi.aws.com"})],
            ("efs.csi.aws.com",),
        ),
        (
            {"persistentVolumeClaim": {"claimName": "data"}},
            [CLAIM, a_volume(awsElasticBlockStore={"volumeID": "vol-1"})],
            ("ebs.csi.aws.com",),
        ),
        (
            {"persistentVolumeClaim": {"claimName": "data"}},
            [
                CLAIM,
                {
                    "kind": "StorageClass",
                    "metadata": {"name": "gone"},
                    "provisioner": "kubernetes.io/aws-ebs",
                },
            ],
            ("ebs.csi.aws.com",),
        ),
    ],
)
def test_the_driver_of_a_volume_is_found_by_claim_volume_and_class(volume, objects, driver):
    spec = {"containers": [], "volumes": [{"name": "v", **volume}]}
    pod = {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": spec,
        "status": {"phase": "Running"},
    }
    template = {"replicas": 1, "template": {"spec": spec}}
    web = {"kind": "Deployment", "metadata": {"name": "web"}, "spec": template}
    state = kubectl.load({"kind": "List", "items": [pod, web, *objects]})
    assert state.pods[0].csi_drivers == state.workloads[0].csi_drivers == driver


def test_a_stateful_set_mounts_what_its_class_gives():
    stateful_set = {
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "template": {"spec": {"containers": []}},
            "volumeClaimTemplates": [{"spec": {"storageClassName": "gp3"}}, {"spec": {}}],
        },
    }
    of_class = {
        "kind": "StorageClass",
        "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com",
    }
    state = kubectl.load(stateful_set, of_class)
    assert state.workloads[0].csi_drivers == ("ebs.csi.aws.com", "")


def test_a_list_in_a_list_is_read_as_its_objects():
    one, two = node("win-1"), node("win-2")
    inner = {"kind": "List", "items": [one, {"kind": "NodeList", "items": [two]}]}
    nested = {"kind": "List", "items": [inner, {"kind": "PodList", "items": []}]}
    state = kubectl.load(nested)
    assert state == kubectl.load(
        {"kind": "List", "items": [one, two]}, {"kind": "PodList", "items": []}
    )
    assert [each.name for each in state.nodes] == ["win-1", "win-2"]
    with pytest.raises(DocumentError, match=r"items\[0\]\.items\[0\]"):
        kubectl.load({"kind": "List", "items": [{"kind": "List", "items": [5]}]})


@pytest.mark.parametrize("key", ["name", "namespace"])
def test_the_member_that_is_not_a_string_is_named(key):
    wrong = pod("web-1")
    wrong["metadata"][key] = 5
    with pytest.raises(DocumentError, match=rf"metadata\.{key} must be a string, got 5"):
        kubectl.load({"kind": "List", "items": [wrong]})
