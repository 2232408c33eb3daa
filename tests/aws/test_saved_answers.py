"""Clusters and subnets from answers that someone saved: in any mixture, part by part."""

import io
import json

import pytest
import yaml
from eks_samples import (
    ACCESS_ENTRY,
    ACCOUNT,
    AUTH,
    AWS_ANSWERS,
    CLUSTER,
    CNI,
    INSTANCES,
    INTERFACES,
    NO_RESERVATIONS,
    NODEGROUP,
    OBJECTS,
    RESERVATIONS,
    SUBNETS,
    USERS_OF_0A,
    WAITS,
    changed,
    interface,
    node,
    pod,
    subnet,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from eks_win_capacity import aws, kubectl
from eks_win_capacity.aws._occupants import USERS
from eks_win_capacity.cluster import ClusterState, Node, RoleMapping, SubnetState, records
from eks_win_capacity.core.errors import (
    AwsError,
    CapacityError,
    DocumentError,
    InputError,
    StateConflictError,
    UnsupportedInputError,
)
from eks_win_capacity.files import load_files


@pytest.fixture
def folder(tmp_path):
    """What a planner without access was sent."""
    for name, answer in AWS_ANSWERS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(answer, indent=4))
    (tmp_path / "objects.json").write_text(json.dumps(OBJECTS, indent=4))
    documents = f"{yaml.safe_dump(CNI)}---\n{yaml.safe_dump(AUTH)}"
    (tmp_path / "configmaps.yaml").write_text(documents)
    (tmp_path / "notes.txt").write_text("not an answer")
    return tmp_path


# -- mixtures -------------------------------------------------------------------


def test_a_folder_of_saved_answers_gives_the_whole_state(folder):
    state = load_files(folder)
    assert (state.name, state.version, state.platform_version) == ("prod", "1.30", "eks.12")
    assert (state.region, state.ip_family, state.auto_mode) == ("eu-west-1", "ipv4", False)
    assert state.authentication_mode == "API_AND_CONFIG_MAP"
    assert state.cluster_role == "prod-cluster"
    assert state.cluster_role_policies == (
        "AmazonEKSClusterPolicy",
        "AmazonEKSVPCResourceController",
    )
    assert state.subnet_ids == ("subnet-0a", "subnet-0b")
    (group,) = state.node_groups
    assert (group.ami_type, group.instance_types) == ("WINDOWS_CORE_2022_x86_64", ("m5.large",))
    assert (group.min_size, group.desired_size, group.max_size) == (1, 2, 5)
    assert (group.role, group.launch_template, group.user_data_known) == ("win-node", "", True)
    assert state.fargate_profiles == ()
    assert [(e.role, e.type) for e in state.access_entries] == [("win-node", "EC2_WINDOWS")]
    (addon,) = state.addons
    assert addon.configuration["env"] == {"WARM_IP_TARGET": "2"}
    assert state.cni_configmap["enable-windows-ipam"] == "true"
    assert state.aws_auth[0].groups[-1] == "eks:kube-proxy-windows"
    assert {part for part in state.unknown if not part.startswith(("cni_env", "work"))} == {
        "services",
        "security_group_policies",
        "node_classes",
        "node_pools",
        "budgets",
    }
    assert ACCOUNT not in json.dumps(state.to_dict())


def test_pods_are_told_apart_as_the_guide_does(folder):
    state = load_files(folder / "objects.json")
    assert [n.name for n in state.windows_nodes] == ["win-1", "win-2"]
    first = state.nodes[0]
    assert (first.instance_type, first.zone) == ("m5.large", "eu-west-1a")
    assert (first.pods_limit, first.advertised_addresses, first.cpu_m) == (110, 9, 1930)
    assert first.memory_bytes == 6787388 * 1024
    assert {n.name: n.compute for n in state.nodes}[state.nodes[3].name] == "fargate"
    on_windows = {p.name: p for p in state.windows_pods}
    assert sum(p.takes_address for p in on_windows.values() if p.node) == 8
    assert on_windows["agent-1"].host_process
    assert on_windows["agent-2"].host_process
    assert "job-1" not in on_windows
    assert on_windows["web-8"].message == WAITS
    assert "coredns-1" not in on_windows


def test_a_folder_with_nothing_to_read_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DocumentError, match="no file that ends in"):
        load_files(tmp_path)


def test_a_folder_may_hold_answers_for_other_loaders(folder):
    before = load_files(folder)
    values = [{"Label": "subnet-0a", "Timestamps": ["2026-10-03T12:00:00Z"], "Values": [50]}]
    spot = {"InstanceType": "m5.large", "AvailabilityZone": "eu-west-1a", "SpotPrice": "0.1"}
    others = {
        "history": {"MetricDataResults": values},
        "spot": {"SpotPriceHistory": [{**spot, "Timestamp": "2026-10-03T12:00:00Z"}]},
        "types": {"InstanceTypes": []},
    }
    for name, answer in others.items():
        (folder / f"{name}.json").write_text(json.dumps(answer))
    assert load_files(folder) == before
    subnets = aws.load_subnets(files=folder)
    assert [s.subnet_id for s in subnets] == ["subnet-0a", "subnet-0b"]
    assert aws.load_usage_history(subnets[0], files=folder)["used"].tolist() == [128.0]
    assert len(aws.load_prices("eu-west-1", markets="spot", files=folder).table) == 1
    with pytest.raises(DocumentError, match="load_prices"):
        load_files(folder / "spot.json")
    for name in (*AWS_ANSWERS, "objects"):
        (folder / f"{name}.json").unlink()
    (folder / "configmaps.yaml").unlink()
    with pytest.raises(DocumentError, match="other calls only"):
        load_files(folder)
    with pytest.raises(DocumentError, match="nothing that was given"):
        aws.load_subnets(files=folder)


def test_the_same_file_twice_is_one_file(folder):
    assert load_files(folder, *sorted(folder.glob("*.json"))) == load_files(folder)


def test_lists_of_sources_and_pipes_are_sources(folder):
    pipe = io.BytesIO((folder / "objects.json").read_bytes())
    state = load_files([folder / "describe-cluster.json", [io.StringIO(json.dumps(CNI))]], pipe)
    assert (state.name, len(state.nodes)) == ("prod", 4)
    assert state.cni_configmap


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, sort_keys=True),
        yaml.safe_dump(OBJECTS),
        yaml.safe_dump_all(OBJECTS["items"]),
        "\n".join(json.dumps(item) for item in OBJECTS["items"]),
    ],
    ids=["json", "sorted", "yaml", "documents", "lines"],
)
def test_every_way_to_write_a_list_is_read_alike(text):
    assert kubectl.load(text) == kubectl.load(OBJECTS)


def test_an_error_names_the_file_and_the_place(tmp_path):
    path = tmp_path / "sub" / "k.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"kind": "List", "items": [node("win-1"), {"kind": "Pod"}]}))
    with pytest.raises(DocumentError, match="items") as caught:
        load_files(path.parent)
    assert str(path) in str(caught.value)
    assert caught.value.source == str(path)
    assert caught.value.place == "items[1]"
    path.write_text(json.dumps({"Buckets": []}))
    with pytest.raises(DocumentError, match="Buckets") as caught:
        load_files(path)
    assert str(path) in str(caught.value)


def test_an_empty_list_beside_others_is_in_order():
    empty = {"apiVersion": "v1", "items": [], "kind": "List"}
    assert load_files(empty, CLUSTER).nodes is None
    assert len(load_files(empty, OBJECTS).nodes) == 4
    assert kubectl.load({**empty, "kind": "PodList"}).pods == ()
    for alone in (kubectl.load, load_files):
        with pytest.raises(DocumentError, match="nothing of use"):
            alone(json.dumps(empty))


def test_subnets_of_another_region_do_not_mix():
    far = json.loads(json.dumps(SUBNETS).replace("eu-west-1", "us-east-1"))
    with pytest.raises(StateConflictError, match="in eu-west-1 and a subnet in us-east-1a; save"):
        load_files(CLUSTER, far)
    assert load_files(far).subnets
    local = json.loads(json.dumps(SUBNETS).replace("eu-west-1a", "eu-west-1-lon-1a"))
    assert load_files(CLUSTER, local).subnets


def test_two_clusters_do_not_mix():
    other = {"cluster": {**CLUSTER["cluster"], "name": "test"}}
    with pytest.raises(StateConflictError, match="prod"):
        load_files(CLUSTER, other)
    grown = {"nodegroup": {**NODEGROUP["nodegroup"], "scalingConfig": {"maxSize": 9}}}
    with pytest.raises(StateConflictError, match="win"):
        aws.load_files(NODEGROUP, grown)
    moved = changed(SUBNETS)
    moved["Subnets"][0]["AvailableIpAddressCount"] = 1
    with pytest.raises(StateConflictError, match="subnet-0a"):
        aws.load_files(SUBNETS, moved)


@pytest.mark.parametrize("more", [{"NextToken": "x"}, {"IsTruncated": True}, {"Marker": "x"}])
def test_a_part_of_an_answer_is_refused(more):
    with pytest.raises(DocumentError, match="only a part"):
        load_files({**SUBNETS, **more})


def test_a_description_that_is_listed_and_missing_is_named():
    state = load_files({"addons": ["vpc-cni"]})
    assert state.addons is None
    assert "DescribeAddon" in state.unknown["addons"]
    assert load_files({"addons": ["coredns"]}).addons == ()
    alone = load_files(ACCESS_ENTRY)
    assert len(alone.access_entries) == 1
    assert "ListAccessEntries" in alone.unknown["access_entries"]


def test_what_is_no_source_is_refused_in_our_own_words():
    with pytest.raises(DocumentError, match="no source"):
        load_files()
    for wrong in (None, 5, {1, 2}):
        with pytest.raises(UnsupportedInputError):
            load_files(wrong)
    with pytest.raises(UnsupportedInputError):
        aws.load_subnets(5, client=object())
    with pytest.raises(InputError, match="no subnet is named"):
        aws.load_subnets([], client=object())


def test_the_items_of_a_typed_list_need_no_kind_of_their_own():
    bare = [{k: v for k, v in pod("a", "n").items() if k != "kind"}]
    for listed in ({"items": bare, "kind": "PodList"}, {"kind": "PodList", "items": bare}):
        assert [p.name for p in kubectl.load(listed).pods] == ["a"]


# -- subnets ----------------------------------------------------------------------


def test_every_user_of_a_subnet_is_counted():
    first, second = aws.load_subnets(
        files=[SUBNETS, INTERFACES, INSTANCES, RESERVATIONS, NO_RESERVATIONS]
    )
    assert first.users == USERS_OF_0A
    assert set(USERS_OF_0A) == set(USERS)
    assert first.used == sum(USERS_OF_0A.values()) == 36
    assert second.users["linux nodes"] == second.used == 5
    assert (first.zone, first.vpc_id, first.available) == ("eu-west-1a", "vpc-01", 211)
    assert [str(r.cidr) for r in first.reservations] == ["10.0.0.128/26"]
    assert first.unknown == {}
    assert first.free == 251 - 36


def test_reservations_asked_of_one_subnet_say_nothing_of_another():
    state = load_files(SUBNETS, INTERFACES, INSTANCES, RESERVATIONS, changed(RESERVATIONS))
    first, second = state.subnets
    assert first.reservations == (("10.0.0.128/26", "prefix"),)
    assert second.reservations is None
    assert "subnet-0b" in state.unknown["subnet_reservations"]


def test_one_file_given_twice_is_no_answer_about_two_subnets(tmp_path):
    path = tmp_path / "none.json"
    path.write_text(json.dumps(NO_RESERVATIONS))
    state = load_files(SUBNETS, INTERFACES, INSTANCES, path, str(path), tmp_path)
    assert [s.reservations for s in state.subnets] == [None, None]
    assert "subnet-0a" in state.unknown["subnet_reservations"]
    asked = load_files(SUBNETS, INTERFACES, INSTANCES, path, changed(NO_RESERVATIONS))
    assert [s.reservations for s in asked.subnets] == [(), ()]


def test_interfaces_asked_of_one_subnet_say_nothing_of_another():
    rows = [i for i in INTERFACES["NetworkInterfaces"] if i["SubnetId"] == "subnet-0a"]
    state = load_files(SUBNETS, {"NetworkInterfaces": rows}, INSTANCES)
    assert state.subnets[0].used is not None
    assert state.subnets[1].used is None
    assert "subnet-0b" in state.unknown["subnet_interfaces"]


def test_an_interface_saved_twice_is_one():
    state = load_files(
        SUBNETS, INTERFACES, {"NetworkInterfaces": INTERFACES["NetworkInterfaces"][:3]}
    )
    assert state.subnets[0].subnet.used == 36


def test_instances_that_were_not_saved_leave_users_unknown_where_it_matters():
    state = load_files(SUBNETS, INTERFACES)
    assert state.subnets[0].users is None
    assert "DescribeInstances" in state.unknown["subnet_users"]
    balancer = interface(1, "subnet-0a", ["10.0.0.9"], description="ELB app/x/1")
    rest = {"Subnets": SUBNETS["Subnets"][:1]}
    known = load_files(rest, {"NetworkInterfaces": [balancer]})
    assert known.subnets[0].users["load balancers"] == 1
    assert "subnet_users" not in known.unknown


def test_interfaces_of_other_accounts_are_missed_and_not_forgotten():
    shared = {"Subnets": [subnet("subnet-0a", "10.0.0.0/24", "eu-west-1a", 100)]}
    state = load_files(shared, INTERFACES, INSTANCES, NO_RESERVATIONS)
    assert state.subnets[0].subnet.used == 36
    assert "115 more addresses" in state.unknown["subnet_interfaces"]
    near = {"Subnets": [subnet("subnet-0a", "10.0.0.0/24", "eu-west-1a", 200)]}
    assert "subnet_interfaces" not in load_files(near, INTERFACES, INSTANCES).unknown


def test_a_subnet_without_ipv4_is_named_and_the_others_stay():
    row = subnet("subnet-6", "", "eu-west-1c", 0)
    del row["CidrBlock"]
    row["Ipv6Native"] = True
    state = load_files({"Subnets": [*SUBNETS["Subnets"], row]}, INTERFACES)
    assert [s.subnet_id for s in state.subnets] == ["subnet-0a", "subnet-0b"]
    assert "subnet-6" in state.unknown["subnet_left_out"]
    with pytest.raises(InputError, match="IPv4"):
        aws.load_subnets(files={"Subnets": [row]})


def test_a_count_alone_is_used_where_no_reservation_hides_it():
    first, _ = aws.load_subnets(files=SUBNETS)
    assert (first.used, first.placement_known) == (40, False)
    assert {"subnet_interfaces", "subnet_reservations"} <= set(first.unknown)
    with pytest.raises(AwsError, match="subnet-0a"):
        aws.load_subnets(files=[SUBNETS, RESERVATIONS])


@pytest.mark.parametrize(
    "wrong",
    [
        {"Subnets": [{"SubnetId": "s"}, 5]},
        {"Subnets": {"SubnetId": "s"}},
        {"Subnets": [{**SUBNETS["Subnets"][0], "AvailableIpAddressCount": -1}]},
        {"Subnets": [{**SUBNETS["Subnets"][0], "AvailableIpAddressCount": 9_999}]},
        {"Subnets": [{**SUBNETS["Subnets"][0], "AvailableIpAddressCount": "many"}]},
        {"NetworkInterfaces": [{"SubnetId": "s"}], **SUBNETS},
        {"cluster": []},
        {"cluster": {"name": "x", "resourcesVpcConfig": 5}},
        {"nodegroup": {"nodegroupName": "x", "scalingConfig": {"minSize": 1e30}}},
        {"nodegroup": {"nodegroupName": "x", "nodeRole": 5}},
        {"addon": {"addonName": "vpc-cni", "configurationValues": "[1]"}},
        {"addon": {"addonName": "vpc-cni", "configurationValues": "[" * 5000}},
        {"addon": {"addonName": "vpc-cni", "configurationValues": "{"}},
    ],
)
def test_an_answer_of_another_shape_is_one_clear_error(wrong):
    with pytest.raises(CapacityError):
        load_files(wrong)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {"Subnets": [{"SubnetId": "subnet-1"}, {"Cidr": "x"}]},
            r"Subnets\[1\] of DescribeSubnets lacks 'SubnetId'",
        ),
        ({"nodegroup": {"name": "n"}}, r"nodegroup of DescribeNodegroup lacks 'nodegroupName'"),
        (
            {"Reservations": [{"Instances": [{"Platform": "windows"}]}]},
            r"Reservations\[0\].Instances\[0\] of DescribeInstances lacks 'InstanceId'",
        ),
        ({"Subnets": None}, r"Subnets of DescribeSubnets must be a list, and is nothing"),
        ({"cluster": "prod"}, r"cluster of DescribeCluster must be an object, and is the text"),
        ({"cluster": f"arn:aws:iam::{ACCOUNT}:x"}, ".* is the text 'arn:aws:iam::ACCOUNT_ID"),
        ({}, "is empty, and neither of kubectl"),
        ([], "is empty, and neither of kubectl"),
    ],
)
def test_an_answer_that_is_not_one_names_its_file(tmp_path, answer, words):
    (tmp_path / "one.json").write_text(json.dumps(answer))
    with pytest.raises(DocumentError, match=rf"one\.json:? {words}"):
        load_files(tmp_path / "one.json")


def test_a_version_that_yaml_made_a_number_is_refused(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("cluster:\n  name: prod\n  version: 1.30\n")
    with pytest.raises(
        DocumentError, match=r"version of DescribeCluster must be a string, and is 1\.3"
    ):
        load_files(file)
    file.write_text("cluster:\n  name: prod\n  version: '1.30'\n")
    assert load_files(file).version == "1.30"


@pytest.mark.parametrize("key", ["version", "releaseVersion", "amiType"])
@pytest.mark.parametrize("given", [1.3, [1], {"a": 1}, True])
def test_a_member_of_a_node_group_that_is_not_a_string_is_refused(key, given):
    group = {"nodegroup": {**NODEGROUP["nodegroup"], key: given}}
    with pytest.raises(DocumentError, match=f"{key} of DescribeNodegroup must be a string"):
        load_files(group)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"cluster": {"name": "p", "kubernetesNetworkConfig": {"ipFamily": 4}}}, "ipFamily of"),
        ({"cluster": {"name": "p", "accessConfig": {"authenticationMode": [1]}}}, "Mode of"),
        ({"accessEntry": {"principalArn": "a:role/b", "type": {"a": 1}}}, "type of DescribeAccess"),
    ],
)
def test_a_member_of_a_cluster_that_is_not_a_string_is_refused(answer, words):
    with pytest.raises(DocumentError, match=f"{words}.* must be a string"):
        load_files(answer)


def test_the_bootstrap_arguments_are_looked_at_and_not_kept():
    import base64

    script = "& $EKSBootstrap -KubeletExtraArgs '--max-pods=110 --max-pods=\"250\"' -Secret abc"
    group = {
        "nodegroup": {
            **NODEGROUP["nodegroup"],
            "launchTemplate": {"id": "lt-1", "name": "win", "version": "3"},
            "amiType": "CUSTOM",
        }
    }
    data = {"ImageId": "ami-1", "UserData": base64.encodebytes(script.encode() * 3).decode()}
    template = {
        "LaunchTemplateVersions": [
            {"LaunchTemplateId": "lt-1", "VersionNumber": 3, "LaunchTemplateData": data}
        ]
    }
    (win,) = load_files(group, template, {"nodegroups": ["win"]}).node_groups
    assert (win.kubelet_max_pods, win.user_data_known, win.custom_ami) == (250, True, True)
    assert win.windows is None
    assert "abc" not in repr(win)
    del data["UserData"]
    (plain,) = load_files(group, template).node_groups
    assert (plain.kubelet_max_pods, plain.user_data_known) == (None, True)
    (hidden,) = load_files(group).node_groups
    assert (hidden.user_data_known, hidden.launch_template) == (False, "lt-1 version 3")


# -- kubectl -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "role", "path"),
    [
        ("rolearn: arn:aws:iam::123456789012:role/win", "win", False),
        ("roleARN: ' arn:aws:iam::123456789012:role/win '", "win", False),
        ("RoleArn: arn:aws-cn:iam::123456789012:role/teams/eks/win", "win", True),
        ("rolearn: arn:aws-us-gov:iam::123456789012:role/win", "win", False),
        ('"rolearn": "arn:aws:iam::123456789012:root"', "root", False),
    ],
)
def test_aws_auth_is_read_in_every_spelling(entry, role, path):
    groups = "groups:\n  - system:nodes\n  username: arn:aws:sts::123456789012:x"
    text = f"- {entry}\n  {groups}\n"
    for data in (text, json.dumps(yaml.safe_load(text))):
        (mapping,) = kubectl.load(aws_auth={"mapRoles": data}).aws_auth
        assert mapping == RoleMapping(
            role=role, groups=("system:nodes",), username="arn:aws:sts::ACCOUNT_ID:x", has_path=path
        )


def test_a_configmap_that_was_written_unquoted_is_refused_without_its_account():
    with pytest.raises(DocumentError, match="quote it") as caught:
        kubectl.load(aws_auth={"mapRoles": [{"rolearn": f"arn:aws:iam::{ACCOUNT}:role/x"}]})
    assert ACCOUNT not in str(caught.value)


def test_a_pending_pod_hides_the_account_in_what_it_waits_for():
    image = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/shop:1"
    waiting = pod("a", "win-1", phase="Pending")
    state = {"waiting": {"reason": "ImagePullBackOff", "message": f"no basic auth for {image}"}}
    waiting["status"]["initContainerStatuses"] = [{"state": state}]
    event = {
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "shop"},
        "type": "Warning",
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "b"},
        "message": f"User arn:aws:sts::{ACCOUNT}:assumed-role/x may not",
    }
    late = pod("b", "win-1", phase="Pending")
    pods = kubectl.load([waiting, late, event, node("win-1")]).pods
    assert pods[0].message.startswith("ImagePullBackOff: no basic auth for ACCOUNT_ID.dkr")
    assert pods[1].message == "User arn:aws:sts::ACCOUNT_ID:assumed-role/x may not"


def test_a_manifest_of_a_pod_is_no_pending_pod():
    manifest = pod("a")
    manifest["status"] = {}
    state = kubectl.load(manifest)
    assert state.pods is None
    assert [w.full_name for w in state.workloads] == ["Pod shop/a"]


def test_a_node_without_labels_is_known_by_what_its_kubelet_says():
    bare = node("win-1")
    bare["metadata"]["labels"] = {"node.kubernetes.io/windows-build": "10.0.17763"}
    del bare["status"]["nodeInfo"]["kernelVersion"]
    (unlabelled,) = kubectl.load(bare).nodes
    assert (unlabelled.os, unlabelled.arch, unlabelled.zone) == ("windows", "amd64", "eu-west-1a")
    assert unlabelled.build == "10.0.17763"


# -- saved states --------------------------------------------------------------------

texts = st.text(max_size=8)
pairs = st.tuples(texts, texts)
counts = st.none() | st.integers(0, 2**53)
states = st.builds(
    ClusterState,
    name=st.none() | texts,
    auto_mode=st.none() | st.booleans(),
    subnet_ids=st.none() | st.lists(texts, max_size=3).map(tuple),
    cni_configmap=st.none() | st.dictionaries(texts, texts, max_size=3),
    nodes=st.none()
    | st.lists(
        st.builds(Node, name=texts, pods_limit=counts, taints=st.lists(texts).map(tuple)),
        max_size=3,
    ).map(tuple),
    node_groups=st.none()
    | st.lists(
        st.builds(
            records.NodeGroup,
            name=texts,
            custom_ami=st.none() | st.booleans(),
            autoscaling_tags=st.none() | st.lists(pairs, max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    fargate_profiles=st.none()
    | st.lists(
        st.builds(
            records.FargateProfile,
            name=texts,
            selectors=st.lists(st.tuples(texts, st.lists(pairs).map(tuple)), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    addons=st.none()
    | st.lists(
        st.builds(
            records.Addon,
            name=texts,
            configuration=st.dictionaries(texts, st.lists(st.integers()), max_size=2),
        ),
        max_size=2,
    ).map(tuple),
    subnets=st.none()
    | st.lists(
        st.builds(
            SubnetState,
            subnet_id=texts,
            cidr=texts,
            available=counts,
            used=st.none() | st.lists(texts, max_size=2).map(tuple),
            reservations=st.none() | st.lists(pairs, max_size=2).map(tuple),
            users=st.none() | st.dictionaries(texts, st.integers(0, 300), max_size=2),
        ),
        max_size=2,
    ).map(tuple),
    pods=st.none()
    | st.lists(
        st.builds(
            records.Pod, namespace=texts, name=texts, labels=st.lists(pairs, max_size=2).map(tuple)
        ),
        max_size=2,
    ).map(tuple),
    unknown=st.dictionaries(texts, texts, max_size=2),
)


@given(states)
@settings(max_examples=60)
def test_a_state_comes_back_from_json_as_it_was(state):
    assert ClusterState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_an_empty_subnet_stays_empty_and_not_unknown(folder, tmp_path):
    state = load_files(
        {"Subnets": [subnet("subnet-0", "10.0.9.0/24", "eu-west-1a", 251)]},
        {"NetworkInterfaces": []},
        NO_RESERVATIONS,
        INSTANCES,
    )
    whole = load_files(folder).merge(ClusterState())
    for name, saved in (("a", state), ("b", whole)):
        saved.save(tmp_path / name)
        assert ClusterState.load(tmp_path / name) == saved
    assert ClusterState.load(tmp_path / "a").subnets[0].used == ()


@pytest.mark.parametrize(
    ("part", "value", "where"),
    [
        ("pods", [{"namespace": 5, "name": "x"}], r"pods\[0\].namespace"),
        ("pods", [{"namespace": "x"}], r"pods\[0\]"),
        ("pods", [{"namespace": "x", "name": "y", "colour": 1}], r"pods\[0\].colour"),
        ("pods", {"namespace": "x"}, "pods"),
        ("pods", [5], r"pods\[0\]"),
        ("nodes", [{"name": "x", "pods_limit": True}], r"pods_limit"),
        ("nodes", [{"name": "x", "compute": "mars"}], "compute"),
        ("subnets", [{"subnet_id": "s", "cidr": "c", "reservations": [["a"]]}], "reservations"),
        ("subnets", [{"subnet_id": "s", "cidr": "c", "users": {"other": "1"}}], "users.other"),
        ("version", 1.3, "version"),
        ("colour", 1, "colour"),
    ],
)
def test_a_damaged_state_names_its_place(part, value, where):
    with pytest.raises(DocumentError, match=where):
        ClusterState.from_dict({"format": "eks-win-capacity/cluster-state/1", part: value})


def scaling_group(name, *tags, **more):
    return {
        "AutoScalingGroupName": name,
        "Tags": [{"Key": key, "Value": "owned"} for key in tags],
        **more,
    }


def test_the_group_of_another_cluster_is_not_taken_for_one_of_this():
    state = aws.load_files(
        {"cluster": {"name": "prod"}},
        {
            "AutoScalingGroups": [
                scaling_group("a", "kubernetes.io/cluster/prod"),
                scaling_group("b", "k8s.io/cluster-autoscaler/prod"),
                scaling_group("c", "kubernetes.io/cluster/test"),
                scaling_group("d", "k8s.io/cluster-autoscaler/enabled"),
                scaling_group("e", "kubernetes.io/cluster/prod", "eks:nodegroup-name"),
                scaling_group("f", "team"),
            ]
        },
    )
    assert [group.name for group in state.node_groups] == ["a", "b", "d"]


@pytest.mark.parametrize("platform", [{"Platform": "windows"}, {"PlatformDetails": "Linux/UNIX"}])
def test_what_runs_in_a_group_tells_its_system(platform):
    state = aws.load_files(
        {
            "AutoScalingGroups": [
                scaling_group("a", "kubernetes.io/cluster/p", Instances=[{"InstanceId": "i-1"}])
            ]
        },
        {"Reservations": [{"Instances": [{"InstanceId": "i-1", **platform}]}]},
    )
    assert state.node_groups[0].windows is ("Platform" in platform)


def test_the_latest_version_of_a_launch_template_is_the_highest():
    def version(number, pods):
        data = {"UserData": f"<powershell>Start-EKSBootstrap.ps1 --max-pods={pods}</powershell>"}
        return {"LaunchTemplateId": "lt-1", "VersionNumber": number, "LaunchTemplateData": data}

    asked = {"LaunchTemplateId": "lt-1", "Version": "$Latest"}
    state = aws.load_files(
        {
            "AutoScalingGroups": [
                scaling_group("a", "kubernetes.io/cluster/p", LaunchTemplate=asked)
            ]
        },
        {"LaunchTemplateVersions": [version(2, 20), version(10, 30), version(1, 10)]},
    )
    assert state.node_groups[0].kubelet_max_pods == 30


@pytest.mark.parametrize(
    ("ends", "now", "outcome"),
    [
        ("2027-03-01", "2026-11-26", "pass"),
        ("2026-11-26", "2026-11-26", "fail"),
        (None, None, "pass"),
    ],
)
def test_the_end_of_support_is_what_eks_says_and_else_the_tables(ends, now, outcome):
    from datetime import date

    from eks_win_capacity.cluster import check_cluster

    versions = [{"clusterVersion": "1.33", "endOfExtendedSupportDate": "2030-01-01T00:00:00Z"}]
    if ends:
        versions.append(
            {"clusterVersion": "1.34", "endOfExtendedSupportDate": f"{ends}T00:00:00+00:00"}
        )
    state = aws.load_files(
        {"cluster": {"name": "p", "version": "1.34"}}, {"clusterVersions": versions}
    )
    assert state.support_ends == ends
    assert "support_ends" not in state.unknown
    day = None if now is None else date.fromisoformat(now)
    findings = [f for f in check_cluster(state, now=day) if f.code == "kubernetes-support"]
    assert [f.outcome for f in findings] == [outcome]
    assert ends is None or ends in findings[0].seen


@pytest.mark.parametrize(
    ("interfaces", "prefixes"),
    [
        ([{"DeviceIndex": 0, "Ipv4PrefixCount": 2}], 2),
        ([{"DeviceIndex": 0, "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.0/28"}]}], 1),
        ([{"DeviceIndex": 1, "Ipv4PrefixCount": 2}], 0),
        ([], 0),
    ],
)
def test_prefixes_of_the_first_interface_are_read_from_a_launch_template(interfaces, prefixes):
    asked = {"LaunchTemplateId": "lt-1", "Version": "7"}
    version = {
        "LaunchTemplateId": "lt-1",
        "VersionNumber": 7,
        "LaunchTemplateData": {"NetworkInterfaces": interfaces},
    }
    state = aws.load_files(
        {
            "AutoScalingGroups": [
                scaling_group("a", "kubernetes.io/cluster/p", LaunchTemplate=asked)
            ]
        },
        {"LaunchTemplateVersions": [version]},
    )
    assert state.node_groups[0].prefixes == prefixes


ARN = f"arn:aws:iam::{ACCOUNT}:role/x"


@pytest.mark.parametrize(
    "answer",
    [
        {"nodegroup": {"nodegroupName": "n", "scalingConfig": {"minSize": ARN}}},
        {
            "nodegroup": {
                "nodegroupName": "n",
                "scalingConfig": {"minSize": ARN.replace(":", "%3A")},
            }
        },
        {"nodegroup": {"nodegroupName": "n", "taints": ARN}},
        {"addon": {"addonName": "vpc-cni", "configurationValues": f"[{ARN}"}},
        {"Reservations": [{"Instances": [{"IamInstanceProfile": ARN}]}]},
    ],
)
def test_no_error_carries_an_account_id(answer):
    with pytest.raises(CapacityError) as caught:
        aws.load_files(answer)
    error = caught.value
    while error is not None:
        assert ACCOUNT not in f"{error} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "arn", [ARN, ARN.replace(":", "%3A"), ARN.replace(":", "%3a").replace("/", "%2F")]
)
def test_no_state_carries_the_account_of_a_role(arn):
    state = aws.load_files(
        {"cluster": {"name": "p", "roleArn": arn}},
        {"nodegroup": {"nodegroupName": "n", "nodeRole": arn}},
        {"accessEntry": {"principalArn": arn, "type": "EC2_WINDOWS"}},
    )
    assert (state.cluster_role, state.node_groups[0].role) == ("x", "x")
    assert state.access_entries[0].role == "x"
    assert ACCOUNT not in json.dumps(state.to_dict())


def test_what_eks_finds_wrong_with_a_group_is_read_without_accounts():
    issue = {"code": "AccessDenied", "message": "arn:aws:iam::123456789012:role/win may not"}
    ill = {
        "nodegroup": {**NODEGROUP["nodegroup"], "status": "DEGRADED", "health": {"issues": [issue]}}
    }
    (group,) = load_files(ill).node_groups
    assert group.issues == ("AccessDenied: arn:aws:iam::ACCOUNT_ID:role/win may not",)
    assert load_files(NODEGROUP).node_groups[0].issues == ()
