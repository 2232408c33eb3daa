"""Clusters and subnets from AWS: moto's server over HTTP, botocore's stubs for faults."""

import base64
import datetime as dt
import json

import boto3
import pytest
from botocore.stub import Stubber

from eks_win_capacity import aws
from eks_win_capacity.aws import _cluster
from eks_win_capacity.core.errors import AwsError, CapacityError, DocumentError, InputError

REGION = "us-east-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
NO_GROUPS = {"AutoScalingGroups": []}
DENIAL = "User: arn:aws:iam::123456789012:user/x is not authorized to perform this"


@pytest.fixture(scope="module")
def session():
    return boto3.session.Session(region_name=REGION, **KEYS)


@pytest.fixture(scope="module")
def prod(server, session):
    """A cluster with a Windows node group, as moto makes it."""
    ec2, eks, iam = (session.client(s, endpoint_url=server) for s in ("ec2", "eks", "iam"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"{REGION}{z}")[
            "Subnet"
        ]["SubnetId"]
        for i, z in enumerate("ab")
    ]
    for last_octet, description in enumerate(("Amazon EKS prod", "ELB app/web/1", ""), 10):
        # Left to itself, moto draws any address, those that AWS keeps among them.
        ec2.create_network_interface(
            SubnetId=subnets[0], Description=description, PrivateIpAddress=f"10.0.0.{last_octet}"
        )
    role = iam.create_role(RoleName="cluster", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    policy = iam.create_policy(
        PolicyName="AmazonEKSVPCResourceController",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}],
            }
        ),
    )["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="cluster", PolicyArn=policy)
    eks.create_cluster(
        name="prod",
        version="1.30",
        roleArn=role,
        resourcesVpcConfig={"subnetIds": subnets},
        kubernetesNetworkConfig={"ipFamily": "ipv4"},
    )
    script = "<powershell>Start-EKSBootstrap.ps1 -KubeletExtraArgs '--max-pods=144'</powershell>"
    template = ec2.create_launch_template(
        LaunchTemplateName="win",
        LaunchTemplateData={
            "UserData": base64.b64encode(script.encode()).decode(),
            "InstanceType": "m5.large",
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    eks.create_nodegroup(
        clusterName="prod",
        nodegroupName="win",
        scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 2},
        subnets=subnets,
        amiType="WINDOWS_CORE_2022_x86_64",
        nodeRole="arn:aws:iam::123456789012:role/win-node",
        launchTemplate={"id": template, "version": "1"},
    )
    eks.create_fargate_profile(
        fargateProfileName="dns",
        clusterName="prod",
        podExecutionRoleArn="arn:aws:iam::123456789012:role/fargate",
        subnets=subnets,
        selectors=[{"namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}],
    )
    return {"vpc": vpc, "subnets": subnets}


class _Clients(dict):
    """Clients of moto's server, with some calls that are made to fail."""

    def __init__(self, session, server, failing):
        super().__init__()
        for service in ("eks", "ec2", "iam", "autoscaling"):
            client = session.client(service, endpoint_url=server)
            client.meta.events.register("before-call", _failing(failing))
            self[service] = client


def _failing(failing):
    def before(model, **_):
        code = failing.get(model.name)
        if code is None:
            # moto serves neither call of access entries nor of add-ons.
            empty = {"ListAccessEntries": "accessEntries", "ListAddons": "addons"}.get(model.name)
            return (_http(200), {empty: []}) if empty else None
        return _http(400), {
            "Error": {"Code": code, "Message": DENIAL},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }

    return before


def _http(status):
    from types import SimpleNamespace

    return SimpleNamespace(status_code=status)


def load(session, server, **failing):
    return aws.load_cluster("prod", clients=_Clients(session, server, failing))


def test_a_cluster_is_read_whole(session, server, prod):
    state = load(session, server)
    assert (state.name, state.region, state.version) == ("prod", REGION, "1.30")
    assert state.ip_family == "ipv4"
    assert state.cluster_role == "cluster"
    assert state.cluster_role_policies == ("AmazonEKSVPCResourceController",)
    (group,) = state.node_groups
    assert group.windows
    assert (group.role, group.instance_types) == ("win-node", ("t3.medium",))
    assert group.kubelet_max_pods == 144
    assert state.fargate_profiles[0].selectors == (("kube-system", (("k8s-app", "kube-dns"),)),)
    assert [s.subnet_id for s in state.subnets] == prod["subnets"]
    assert state.addons == ()
    assert "nodes" in state.unknown


@pytest.fixture
def self_managed(server, session, prod):
    """An Auto Scaling group of the cluster, one of another cluster, one of no cluster."""
    ec2, scaling = (session.client(s, endpoint_url=server) for s in ("ec2", "autoscaling"))
    script = "<powershell>Start-EKSBootstrap.ps1 -KubeletExtraArgs '--max-pods=58'</powershell>"
    template = ec2.create_launch_template(
        LaunchTemplateName="own",
        LaunchTemplateData={
            "UserData": base64.b64encode(script.encode()).decode(),
            "InstanceType": "m5.xlarge",
            "ImageId": "ami-12c6146b",
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    tags = {
        "own-win": {"kubernetes.io/cluster/prod": "owned"},
        "other-win": {"kubernetes.io/cluster/test": "owned"},
        "batch": {"team": "shop"},
    }
    for name, marks in tags.items():
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
            MinSize=0,
            MaxSize=5,
            VPCZoneIdentifier=",".join(prod["subnets"]),
            Tags=[{"Key": k, "Value": v, "PropagateAtLaunch": True} for k, v in marks.items()],
        )
    yield
    for name in tags:
        scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    ec2.delete_launch_template(LaunchTemplateId=template)


def test_self_managed_groups_are_read_by_the_tag_of_the_cluster(session, server, self_managed):
    state = load(session, server)
    assert [group.name for group in state.node_groups] == ["win", "own-win"]
    owned = state.node_groups[1]
    assert (owned.managed, owned.windows, owned.instance_types) == (False, True, ("m5.xlarge",))
    assert (owned.kubelet_max_pods, owned.max_size, owned.bootstraps) == (58, 5, True)
    assert "autoscaling_tags" not in state.unknown


def test_self_managed_groups_are_read_where_managed_ones_may_not_be(session, server, self_managed):
    state = load(session, server, ListNodegroups="AccessDeniedException")
    assert [group.name for group in state.node_groups] == ["own-win"]
    assert "ListNodegroups" in state.unknown["node_groups"]


def test_no_account_id_is_kept(session, server, prod):
    assert "123456789012" not in json.dumps(load(session, server).to_dict())


@pytest.mark.parametrize(
    ("call", "part", "value"),
    [
        ("ListAttachedRolePolicies", "cluster_role_policies", "cluster_role_policies"),
        ("ListNodegroups", "node_groups", "node_groups"),
        ("DescribeNodegroup", "node_groups", "node_groups"),
        ("DescribeFargateProfile", "fargate_profiles", "fargate_profiles"),
        ("ListAddons", "addons", "addons"),
        ("DescribeSubnets", "subnets", "subnets"),
        ("DescribeLaunchTemplateVersions", "launch_templates", None),
        ("DescribeAutoScalingGroups", "autoscaling_tags", None),
        ("DescribeNetworkInterfaces", "subnet_interfaces", None),
        ("DescribeInstances", "subnet_users", None),
    ],
)
def test_a_missing_permission_leaves_its_part_unknown(  # noqa: PLR0917
    session, server, prod, call, part, value
):
    code = "UnauthorizedOperation" if call.startswith("Describe") else "AccessDenied"
    state = load(session, server, **{call: code})
    assert call in state.unknown[part]
    assert state.unknown[part].action.partition(":")[2] == call
    assert "123456789012" not in state.unknown[part]
    if value:
        assert getattr(state, value) is None


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("DescribeCluster", "AccessDeniedException"),
        ("ListNodegroups", "ThrottlingException"),
        ("DescribeSubnets", "ExpiredToken"),
        ("ListAttachedRolePolicies", "InvalidClientTokenId"),
    ],
)
def test_any_other_fault_ends_the_load(session, server, prod, call, code):
    with pytest.raises(AwsError) as caught:
        load(session, server, **{call: code})
    assert caught.value.operation == call
    assert "123456789012" not in str(caught.value)


def test_every_call_has_its_permission(session, server, prod):
    asked = set()
    clients = _Clients(session, server, {})
    for client in clients.values():
        client.meta.events.register(
            "before-call", lambda model, **_: asked.add(model.name) and None
        )
    aws.load_cluster("prod", clients=clients)
    granted = {permission.partition(":")[2] for permission in aws.PERMISSIONS}
    assert asked <= granted
    assert {"DescribeCluster", "GetSubnetCidrReservations"} <= asked | granted
    assert all(p.partition(":")[2].startswith(("Describe", "List", "Get")) for p in aws.PERMISSIONS)


def test_subnets_tell_what_is_taken_and_by_whom(session, server, prod):
    first, second = aws.load_subnets(prod["subnets"], client=_Clients(session, server, {})["ec2"])
    assert (first.cidr, first.zone, first.used) == ("10.0.0.0/24", f"{REGION}a", 3)
    assert first.users["control plane"] == 1
    assert first.users["load balancers"] == 1
    assert sum(first.users.values()) == 3
    assert second.free == 251
    assert [
        s.cidr for s in aws.load_subnets(vpc_id=prod["vpc"], session=session, endpoint_url=server)
    ] == ["10.0.0.0/24", "10.0.1.0/24"]


def test_the_subnets_of_the_cluster_are_not_mixed_with_those_of_its_groups():
    eks = stubbed(
        "eks",
        (
            "describe_cluster",
            {"cluster": {"name": "p", "resourcesVpcConfig": {"subnetIds": ["subnet-1"]}}},
        ),
        ("list_nodegroups", {"nodegroups": ["g"]}),
        ("describe_nodegroup", {"nodegroup": {"nodegroupName": "g", "subnets": ["subnet-2"]}}),
        ("list_fargate_profiles", {"fargateProfileNames": []}),
        ("list_addons", {"addons": []}),
    )
    ec2 = stubbed("ec2", ("describe_subnets", "UnauthorizedOperation"))
    scaling = stubbed("autoscaling", ("describe_auto_scaling_groups", NO_GROUPS))
    clients = {"eks": eks, "ec2": ec2, "autoscaling": scaling}
    assert aws.load_cluster("p", clients=clients).subnet_ids == ("subnet-1",)


def test_a_page_that_fails_in_the_middle_leaves_no_part_of_it():
    eks = stubbed(
        "eks",
        ("describe_cluster", {"cluster": {"name": "p"}}),
        ("list_nodegroups", {"nodegroups": ["g"], "nextToken": "2"}),
        ("list_nodegroups", "AccessDeniedException"),
        ("list_fargate_profiles", {"fargateProfileNames": []}),
        ("list_addons", {"addons": []}),
    )
    scaling = stubbed("autoscaling", ("describe_auto_scaling_groups", NO_GROUPS))
    state = aws.load_cluster("p", clients={"eks": eks, "autoscaling": scaling})
    assert state.node_groups is None
    assert "ListNodegroups" in state.unknown["node_groups"]


def test_a_region_without_the_service_is_a_clear_error(session):
    with pytest.raises(AwsError, match="DescribeCluster"):
        aws.load_cluster("p", session=session, region="xx-nowhere-9")


def test_the_command_asks_aws_live(server, prod, monkeypatch, capsys):
    from eks_win_capacity import cli

    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    where = ["--cluster", "prod", "--region", REGION, "--endpoint-url", server]
    with pytest.raises(SystemExit) as caught:
        cli.main(["check", *where, "--output", "json"])
    out, err = capsys.readouterr()
    assert (caught.value.code, err) == (4, "")
    outcomes = {f["code"]: f["outcome"] for f in json.loads(out)["rows"]}
    assert outcomes["resource-controller-policy"] == "pass"
    assert outcomes["kubernetes-support"] == "fail"  # 1.30, past its extended support
    assert outcomes["windows-ipam-enabled"] == "unknown"
    assert "123456789012" not in out


def test_the_command_says_what_aws_refused(server, prod, monkeypatch, capsys):
    from eks_win_capacity import cli

    monkeypatch.setattr(
        "eks_win_capacity.aws.calls.client",
        lambda service, **_: _Clients(
            boto3.session.Session(region_name=REGION, **KEYS),
            server,
            {"DescribeSubnets": "UnauthorizedOperation"},
        )[service],
    )
    with pytest.raises(SystemExit) as caught:
        cli.main(["subnets", "--cluster", "prod", "--region", REGION])
    assert caught.value.code == 1
    assert "allow the action ec2:DescribeSubnets" in capsys.readouterr().err


def test_the_region_of_the_environment_goes_before_that_of_a_profile(tmp_path, monkeypatch):
    from eks_win_capacity.cli.options import _session

    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = us-west-2\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert _session("work").region_name == "us-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert _session("work").region_name == "eu-west-1"


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("", {}, "must not be empty"),
        (" ", {}, "must not be empty"),
        (None, {}, "must be a string"),
        ("prod", {"region": 5}, "region must be a string"),
        ("prod", {"session": "work"}, r"session must be a boto3\.Session; got str"),
        ("prod", {"endpoint_url": "localhost"}, "must be an address such as"),
        ("prod", {"endpoint_url": 80}, "endpoint_url must be a string"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_asked(name, how, message):
    with pytest.raises(CapacityError, match=message):
        aws.load_cluster(name, **how)
    if name is not None:
        with pytest.raises(CapacityError, match=message):
            aws.load_subnets(cluster=name, **how)


def test_exactly_one_way_to_name_subnets():
    with pytest.raises(InputError, match="exactly one"):
        aws.load_subnets()
    with pytest.raises(InputError, match="exactly one"):
        aws.load_subnets("subnet-1", cluster="prod")


def test_saved_answers_give_the_same_state(session, server, prod):
    eks, ec2 = (session.client(s, endpoint_url=server) for s in ("eks", "ec2"))
    answers = [
        eks.describe_cluster(name="prod"),
        eks.list_nodegroups(clusterName="prod"),
        eks.describe_nodegroup(clusterName="prod", nodegroupName="win"),
        ec2.describe_subnets(SubnetIds=prod["subnets"]),
        ec2.describe_network_interfaces(),
    ]
    state = aws.load_files(*(json.dumps(answer, default=str) for answer in answers))
    live = load(session, server)
    assert state.version == live.version
    assert state.subnets[0].used == live.subnets[0].used
    assert state.node_groups[0].role == "win-node"
    assert state.cluster_role_policies is None


def test_a_listed_group_that_is_not_described_is_not_left_out():
    state = aws.load_files({"nodegroups": ["a", "b"]}, {"nodegroup": {"nodegroupName": "a"}})
    assert state.node_groups is None
    assert "b" in state.unknown["node_groups"]


def test_half_an_answer_is_refused():
    with pytest.raises(DocumentError, match="only a part"):
        aws.load_files({"Subnets": [], "NextToken": "x"})
    with pytest.raises(DocumentError, match="known call"):
        aws.load_files({"Buckets": []})


def stubbed(service, *answers):
    client = boto3.client(service, region_name=REGION, **KEYS)
    stub = Stubber(client)
    for method, answer in answers:
        if isinstance(answer, str):
            stub.add_client_error(method, answer)
        else:
            stub.add_response(method, answer)
    stub.activate()
    return client


def product(name, price):
    return json.dumps(
        {
            "product": {"attributes": {"instanceType": name, "operatingSystem": "Windows"}},
            "publicationDate": "2026-10-02T00:00:00Z",
            "terms": {
                "OnDemand": {
                    "X.JRTCKXETXF": {
                        "effectiveDate": "2026-10-01T00:00:00Z",
                        "priceDimensions": {
                            "X.JRTCKXETXF.6YS6EN2CT7": {
                                "unit": "Hrs",
                                "pricePerUnit": {"USD": price},
                            }
                        },
                    }
                }
            },
        }
    )


NOON = dt.datetime(2026, 10, 3, 12, tzinfo=dt.UTC)


def test_prices_name_currency_date_and_licence():
    pricing = stubbed(
        "pricing",
        ("get_products", {"PriceList": [product("m5.large", "0.188")], "NextToken": "2"}),
        ("get_products", {"PriceList": [product("c5.large", "0.177")]}),
    )
    ec2 = stubbed(
        "ec2",
        (
            "describe_spot_price_history",
            {
                "SpotPriceHistory": [
                    {
                        "InstanceType": "m5.large",
                        "AvailabilityZone": f"{REGION}{zone}",
                        "SpotPrice": price,
                        "Timestamp": NOON,
                        "ProductDescription": "Windows",
                    }
                    for zone, price in (("a", "0.12"), ("b", "0.11"))
                ]
            },
        ),
    )
    prices = aws.load_prices(REGION, at=NOON, clients={"pricing": pricing, "ec2": ec2})
    assert prices.series().to_dict() == {"c5.large": 0.177, "m5.large": 0.188}
    assert prices.series("spot").to_dict() == {"m5.large": 0.11}
    assert (prices.currency, prices.licence, prices.as_of) == ("USD", "included", "2026-10-03")
    assert not prices.table["estimated"].any()


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ExpiredTokenException", "AccessDeniedException"]
)
def test_a_price_page_that_fails_in_the_middle_gives_no_prices(code):
    pricing = stubbed(
        "pricing",
        ("get_products", {"PriceList": [product("m5.large", "0.188")], "NextToken": "2"}),
        ("get_products", code),
    )
    with pytest.raises(AwsError, match=code):
        aws.load_prices(REGION, markets=["on-demand"], clients={"pricing": pricing})


def test_a_region_without_the_price_list_is_refused():
    with pytest.raises(InputError, match="us-east-1"):
        aws.load_prices(REGION, pricing_region="eu-west-1")


def test_a_type_without_a_price_is_named():
    pricing = stubbed("pricing", ("get_products", {"PriceList": []}))
    with pytest.raises(InputError, match=r"mac1\.metal"):
        aws.load_prices(
            REGION,
            markets=["on-demand"],
            instance_types=["mac1.metal"],
            clients={"pricing": pricing},
        )


def watch(values, *, status="Complete", published=True):
    name = {"Name": "SubnetID", "Value": "subnet-1"}
    return stubbed(
        "cloudwatch",
        (
            "list_metrics",
            {
                "Metrics": [
                    {
                        "Namespace": "AWS/IPAM",
                        "MetricName": "SubnetIPUsage",
                        "Dimensions": [name, {"Name": "AddressFamily", "Value": "ipv4"}],
                    }
                ]
                if published
                else []
            },
        ),
        (
            "get_metric_data",
            {
                "MetricDataResults": [
                    {
                        "Id": "q0",
                        "Timestamps": [NOON + dt.timedelta(hours=h) for h in values],
                        "Values": list(values.values()),
                        "StatusCode": status,
                    }
                ]
            },
        ),
    )


def history(client, **how):
    from eks_win_capacity import Subnet

    return aws.load_usage_history(
        [Subnet("10.0.0.0/24", subnet_id="subnet-1")],
        start=NOON,
        end=NOON + dt.timedelta(hours=3),
        client=client,
        **how,
    )


def test_a_gap_in_the_history_stays_a_gap():
    frame = history(watch({0: 10.0, 2: 20.0}))
    assert list(frame.columns) == ["time", "subnet", "used", "capacity"]
    assert frame["used"].round(1).tolist()[::2] == [25.6, 51.2]
    assert frame["used"].isna().tolist() == [False, True, False]
    assert str(frame["time"].dt.tz) == "UTC"


def test_a_history_that_is_cut_short_is_refused():
    with pytest.raises(AwsError, match="PartialData"):
        history(watch({0: 1.0}, status="PartialData"))


def test_a_subnet_without_a_metric_is_named():
    with pytest.raises(InputError, match="subnet-1"):
        history(watch({}, published=False))


def test_the_permissions_cover_every_module():
    assert "cloudwatch:GetMetricData" in _cluster.PERMISSIONS
