"""What happens when AWS refuses, hesitates or stops half-way; and what we may ask at all."""

import functools
import http.server
import json
import re
import threading
from pathlib import Path

import boto3
import pytest
from aws_stubs import KEYS
from aws_stubs import stubbed as plain_stub
from eks_samples import (
    ACCOUNT,
    AWS_ANSWERS,
    INSTANCES,
    INTERFACES,
    NO_RESERVATIONS,
    RESERVATIONS,
    SUBNETS,
    USERS_OF_0A,
)

from eks_win_capacity import aws
from eks_win_capacity.aws.calls import ATTEMPTS
from eks_win_capacity.core.errors import AwsError, InputError

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "eks_win_capacity"
REGION = "eu-west-1"
DENIAL = f"User: arn:aws:iam::{ACCOUNT}:user/x is not authorized"


stubbed = functools.partial(plain_stub, said=DENIAL)


def of(name):
    return AWS_ANSWERS[name]


def eks_answers(**instead):
    """Give the calls of load_cluster to EKS, in order, some with another answer."""
    calls = {
        "describe_cluster": of("describe-cluster"),
        "describe_cluster_versions": {"clusterVersions": [{"clusterVersion": "1.30"}]},
        "list_nodegroups": of("list-nodegroups"),
        "describe_nodegroup": of("describe-nodegroup"),
        "list_fargate_profiles": of("list-fargate-profiles"),
        "list_access_entries": of("list-access-entries"),
        "describe_access_entry": of("describe-access-entry"),
        "list_addons": of("list-addons"),
        "describe_addon": of("describe-addon"),
    } | instead
    return [(method, answer) for method, answer in calls.items() if answer is not None]


def ec2_answers(**instead):
    calls = {
        "describe_subnets": SUBNETS,
        "describe_network_interfaces": INTERFACES,
        "get_subnet_cidr_reservations": [RESERVATIONS, NO_RESERVATIONS],
        "describe_instances": INSTANCES,
    } | instead
    return [
        (method, one)
        for method, answer in calls.items()
        if answer is not None
        for one in (answer if isinstance(answer, list) else [answer])
    ]


def clients(eks=None, ec2=None):
    return {
        "eks": stubbed("eks", *eks_answers(**(eks or {}))),
        "ec2": stubbed("ec2", *ec2_answers(**(ec2 or {}))),
        "iam": stubbed("iam", ("list_attached_role_policies", of("list-attached-role-policies"))),
        "autoscaling": stubbed(
            "autoscaling",
            (
                "describe_auto_scaling_groups",
                {
                    "AutoScalingGroups": [
                        {
                            "AutoScalingGroupName": "eks-win-12",
                            "MinSize": 1,
                            "MaxSize": 5,
                            "DesiredCapacity": 2,
                            "DefaultCooldown": 300,
                            "AvailabilityZones": ["eu-west-1a"],
                            "HealthCheckType": "EC2",
                            "CreatedTime": "2026-01-01T00:00:00Z",
                            "Tags": [
                                {"Key": "eks:nodegroup-name", "Value": "win"},
                                {"Key": "k8s.io/cluster-autoscaler/enabled", "Value": "1"},
                            ],
                        }
                    ]
                },
            ),
        ),
    }


# -- everything that AWS tells of a cluster ---------------------------------------------


def test_add_ons_and_access_entries_are_read_live():
    calls = []
    state = aws.load_cluster("prod", clients=clients(), on_call=calls.append)
    assert state.access_entries[0].type == "EC2_WINDOWS"
    assert state.addons[0].configuration["env"]["WARM_IP_TARGET"] == "2"
    assert dict(state.node_groups[0].autoscaling_tags)["k8s.io/cluster-autoscaler/enabled"] == "1"
    assert state.subnets[0].users == USERS_OF_0A
    assert {part for part in state.unknown if part not in {"cni_env", "workloads"}} == {
        "aws_auth",
        "budgets",
        "cni_configmap",
        "node_classes",
        "node_pools",
        "nodes",
        "pods",
        "security_group_policies",
        "services",
    }
    assert calls[0] == "DescribeCluster"
    assert "DescribeAddon" in calls
    assert ACCOUNT not in json.dumps(state.to_dict())


def test_a_cluster_names_the_subnets_of_its_node_groups_too():
    nodes = {
        "describe_nodegroup": {"nodegroup": {"nodegroupName": "win", "subnets": ["subnet-0b"]}}
    }
    shared = {"list_fargate_profiles": None, "list_access_entries": None, "list_addons": None}
    shared |= {"describe_access_entry": None, "describe_addon": None}
    shared |= {"describe_cluster_versions": None}
    fakes = clients(eks=nodes | shared)
    first, second = aws.load_subnets(cluster="prod", clients=fakes)
    assert (first.subnet_id, second.subnet_id) == ("subnet-0a", "subnet-0b")
    refused = {"list_nodegroups": "AccessDeniedException", "describe_nodegroup": None}
    first, _ = aws.load_subnets(cluster="prod", clients=clients(eks=refused | shared))
    assert "ListNodegroups" in first.unknown["subnets_of_node_groups"]


# -- one permission is missing --------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ("describe_network_interfaces", "subnet_interfaces"),
        ("get_subnet_cidr_reservations", "subnet_reservations"),
        ("describe_instances", "subnet_users"),
    ],
)
def test_subnets_say_which_part_a_missing_permission_hides(call, part):
    kept = (
        {}
        if call == "get_subnet_cidr_reservations"
        else {"get_subnet_cidr_reservations": [NO_RESERVATIONS, NO_RESERVATIONS]}
    )
    ec2 = stubbed("ec2", *ec2_answers(**kept, **{call: "UnauthorizedOperation"}))
    for subnet in aws.load_subnets(["subnet-0a", "subnet-0b"], client=ec2):
        assert set(subnet.unknown) - {"subnet_users"} == {part} - {"subnet_users"}
        assert f"ec2:{''.join(word.title() for word in call.split('_'))}" in subnet.unknown[part]
        assert ACCOUNT not in subnet.unknown[part]
        assert subnet.placement_known is (part != "subnet_interfaces")


def test_what_cannot_be_told_without_interfaces_is_an_error_and_not_a_guess():
    ec2 = stubbed("ec2", *ec2_answers(describe_network_interfaces="UnauthorizedOperation"))
    with pytest.raises(AwsError, match="ec2:DescribeNetworkInterfaces"):
        aws.load_subnets(["subnet-0a", "subnet-0b"], client=ec2)


@pytest.mark.parametrize("call", ["list_access_entries", "describe_access_entry"])
def test_access_entries_that_are_refused_are_unknown(call):
    rest = {"describe_access_entry": None} if call == "list_access_entries" else {}
    fakes = clients(eks={**rest, call: "AccessDeniedException"})
    state = aws.load_cluster("prod", clients=fakes)
    assert state.access_entries is None
    assert "eks:" in state.unknown["access_entries"]


@pytest.mark.parametrize(
    ("service", "call", "code", "part"),
    [
        ("iam", "list_attached_role_policies", "NoSuchEntity", "cluster_role_policies"),
        ("ec2", "describe_subnets", "InvalidSubnetID.NotFound", "subnets"),
        ("eks", "describe_nodegroup", "ResourceNotFoundException", "node_groups"),
        ("eks", "list_addons", "404", "addons"),
    ],
)
def test_what_is_gone_or_not_served_leaves_its_part_unknown(service, call, code, part):
    rest = {"list_addons": {"describe_addon": None}}.get(call, {})
    if call == "describe_subnets":
        rest = dict.fromkeys(dict(ec2_answers()))
    fakes = clients(**{service: {**rest, call: code}}) if service != "iam" else clients()
    if service == "iam":
        fakes["iam"] = stubbed("iam", (call, code))
    state = aws.load_cluster("prod", clients=fakes)
    assert getattr(state, part) is None
    reason = "is not served by eu-west-1" if code == "404" else code
    assert reason in state.unknown[part]


# -- a page fails, a service hesitates ---------------------------------------------------


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "ExpiredToken", "InternalError"])
def test_half_of_the_interfaces_is_none(code):
    half = [{**INTERFACES, "NextToken": "2"}, code]
    ec2 = stubbed("ec2", *ec2_answers(describe_network_interfaces=half))
    with pytest.raises(AwsError) as caught:
        aws.load_subnets("subnet-0a", client=ec2)
    assert (caught.value.operation, caught.value.code) == ("DescribeNetworkInterfaces", code)
    denied = [{**INTERFACES, "NextToken": "2"}, "UnauthorizedOperation"]
    fakes = clients(ec2={"describe_network_interfaces": denied})
    state = aws.load_cluster("prod", clients=fakes)
    assert all(subnet.used is None for subnet in state.subnets)


def test_every_page_of_the_reservations_is_read():
    row = RESERVATIONS["SubnetIpv4CidrReservations"][0]
    later = {**row, "SubnetCidrReservationId": "scr-1", "Cidr": "10.0.0.192/27"}
    pages = [
        {**RESERVATIONS, "NextToken": "2"},
        {"SubnetIpv4CidrReservations": [later]},
        NO_RESERVATIONS,
    ]
    ec2 = stubbed("ec2", *ec2_answers(get_subnet_cidr_reservations=pages))
    first, second = aws.load_subnets(vpc_id="vpc-01", client=ec2)
    assert len(first.reservations) == 2
    assert second.reservations == ()
    again = [{**RESERVATIONS, "NextToken": "2"}] * 2
    ec2 = stubbed("ec2", *ec2_answers(get_subnet_cidr_reservations=again))
    with pytest.raises(AwsError, match="came twice"):
        aws.load_subnets(vpc_id="vpc-01", client=ec2)


def test_a_vpc_without_subnets_is_no_empty_answer():
    ec2 = stubbed("ec2", ("describe_subnets", {"Subnets": []}))
    with pytest.raises(InputError, match="vpc-9"):
        aws.load_subnets(vpc_id="vpc-9", client=ec2)


class _Aws(http.server.BaseHTTPRequestHandler):
    """A service that answers every request alike."""

    status, code, asked = 400, "", 0

    def do_POST(self):
        type(self).asked += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = (
            f"<Response><Errors><Error><Code>{self.code}</Code><Message>{DENIAL}</Message></Error>"
            "</Errors><RequestID>1</RequestID></Response>"
        ).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # botocore waits between its attempts
    handler = type("Handler", (_Aws,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "attempts", "message"),
    [
        (503, "RequestLimitExceeded", ATTEMPTS, "ask again later"),
        (400, "Throttling", ATTEMPTS, "ask again later"),
        (500, "InternalError", ATTEMPTS, "ask again later"),
        (400, "RequestExpired", 1, "log in again"),
        (400, "AuthFailure", 1, "check the credentials"),
        (403, "UnauthorizedOperation", 1, "ec2:DescribeSubnets"),
    ],
)
def test_retries_are_bounded_and_only_where_they_help(service, status, code, attempts, message):
    service.status, service.code = status, code
    session = boto3.session.Session(region_name=REGION, **KEYS)
    with pytest.raises(AwsError, match=message) as caught:
        aws.load_subnets("subnet-0a", session=session, endpoint_url=service.url)
    assert service.asked == attempts
    assert ACCOUNT not in str(caught.value)


@pytest.mark.parametrize("code", ["ServerException", "ServiceUnavailableException"])
def test_a_failure_of_eks_itself_passes(code):
    with pytest.raises(AwsError, match=f"{code}.*ask again later"):
        aws.load_cluster("prod", clients={"eks": stubbed("eks", ("describe_cluster", code))})


def test_what_is_no_answer_of_aws_is_a_clear_error(service):
    service.status, service.code = 200, "<"
    session = boto3.session.Session(region_name=REGION, **KEYS)
    with pytest.raises(AwsError, match="DescribeSubnets"):
        aws.load_subnets("subnet-0a", session=session, endpoint_url=service.url)


@pytest.mark.parametrize("load", ["load_cluster", "load_subnets", "load_prices"])
def test_a_region_without_the_service_is_a_clear_error(load, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    session = boto3.session.Session(region_name="mars-north-1", **KEYS)
    how = {"markets": "spot"} if load == "load_prices" else {}
    name = "mars-north-1" if load == "load_prices" else "x"
    with pytest.raises(AwsError, match="mars-north-1"):
        getattr(aws, load)(name, session=session, **how)


# -- what may be asked -------------------------------------------------------------------


def asked_in_code():
    """Give every method of a boto3 client that the package names, as AWS calls it."""
    methods = {}
    for service in ("autoscaling", "cloudwatch", "ec2", "eks", "iam", "pricing"):
        client = boto3.client(service, region_name="us-east-1", **KEYS)
        prefix = {"monitoring": "cloudwatch", "api.pricing": "pricing"}.get(
            client.meta.service_model.endpoint_prefix, client.meta.service_model.endpoint_prefix
        )
        for method, name in client.meta.method_to_api_mapping.items():
            methods.setdefault(method, []).append(f"{prefix}:{name}")
    text = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    named = set(re.findall(r"""["']((?:[a-z]+_)+[a-z]+)["']""", text))
    named |= {f"{verb}_{what}" for verb in ("describe",) for what in EACH}
    named |= {f"list_{what}s" for what in EACH}
    return {action for method in named for action in methods.get(method, ())}


EACH = ("nodegroup", "fargate_profile")
"""What load_cluster lists and describes by one piece of code."""


def test_only_reading_calls_are_made_and_each_has_its_permission():
    asked = asked_in_code()
    assert {"eks:ListNodegroups", "pricing:GetProducts", "iam:ListAttachedRolePolicies"} <= asked
    assert all(re.fullmatch(r"[a-z0-9]+:(Describe|Get|List)[A-Za-z]+", action) for action in asked)
    assert asked == set(aws.PERMISSIONS)


def test_the_documentation_lists_the_least_permissions():
    page = (ROOT / "docs" / "clusters.md").read_text("utf-8")
    policies = [json.loads(t) for t in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    (policy,) = [p for p in policies if "Statement" in p]
    assert [s["Effect"] for s in policy["Statement"]] == ["Allow"] * len(policy["Statement"])
    actions = [action for s in policy["Statement"] for action in s["Action"]]
    assert sorted(actions) == sorted(aws.PERMISSIONS)
    assert len(actions) == len(set(actions))
