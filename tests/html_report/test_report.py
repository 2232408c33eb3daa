"""The page shows what the rooms say, says what is not known, and stays small."""

import html
import re
from dataclasses import replace
from datetime import date
from functools import cache

import pandas as pd
import pytest
from click.testing import CliRunner
from large_state import large_state

import eks_win_capacity as ewc
from eks_win_capacity.cli import app, main
from eks_win_capacity.cluster import ClusterState
from eks_win_capacity.cluster.records import WorkloadManifest
from eks_win_capacity.cluster.state import Node, SubnetState
from eks_win_capacity.core.errors import InputError, UnsupportedInputError

STATE = ewc.demo.cluster()
SUBNET = STATE.subnets[1].subnet_id
ATTACK = "<script>alert(1)</script>"
HASTY = 0.01
"""A time limit where no plan is looked at: others take it in earnest. [s]"""


@cache
def whole():
    """One report for all who read it."""
    return ewc.report(STATE, now=date(2026, 11, 1), time_limit_s=None)


def words(page: str) -> str:
    """The text of a page."""
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def usage(name: str = SUBNET, days: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-08-01", periods=days),
            "subnet": name,
            "used": range(100, 100 + 2 * days, 2),
        }
    )


def test_the_numbers_are_those_of_the_rooms():
    shown = words(whole().to_html())
    room = ewc.cluster_report(STATE)
    assert f"Head-room now: {room.total['headroom']} further pods on 3 Windows nodes" in shown
    for row in room.more_nodes.itertuples():
        assert row.why in shown
    for finding in ewc.check_cluster(STATE, now=date(2026, 11, 1)).failed:
        assert finding.remedy in shown
        assert finding.why in shown
        assert all(text in shown for _, text in finding.files)
    for pod in ewc.explain_pending(STATE):
        assert pod.remedy in shown
    plan = ewc.plan_fleet(STATE, current=STATE, prefix_delegation=False, time_limit_s=None)
    for line in str(plan.diff()).splitlines():
        assert line in shown


def test_there_is_a_row_for_each_cluster():
    row = whole().to_pandas().iloc[0]
    assert (row["cluster"], row["nodes"], row["headroom"], row["waiting"]) == ("shop", 3, 0, 2)
    assert row["errors"] == sum(f.severity == "error" for f in ewc.check_cluster(STATE).failed)
    assert pd.isna(row["runs_dry"])


def test_a_history_is_held_against_the_subnets_of_the_state():
    report = ewc.report(STATE, history=usage(), time_limit_s=HASTY)
    capacity = report.forecast.capacity[SUBNET]
    assert capacity == STATE.subnets[1].subnet.usable
    row = report.forecast.to_pandas().iloc[0]
    assert report.to_pandas()["runs_dry"].iloc[0] == row["date"]
    shown = words(report.to_html())
    assert report.forecast.sentence(row) in shown
    assert "2026-08-01 to 2026-09-29" in shown
    # The page is of a later day: what is left is less by then.
    assert "The history ends on 2026-09-29: days left count from there." in shown


def test_subnets_of_no_cluster_have_a_section_of_their_own():
    history = usage("elsewhere").assign(capacity=400)
    report = ewc.report(STATE, history=history, time_limit_s=HASTY)
    page = report.to_html()
    assert "The history of use names none of these subnets." in page
    assert "elsewhere" in page.partition('id="others"')[2]


def test_the_notes_of_a_cluster_name_no_subnet_of_others():
    old = usage("subnet-of-others").iloc[:20]
    history = pd.concat([usage(), old])
    page = words(ewc.report(STATE, history=history, capacity=400, time_limit_s=HASTY).to_html())
    assert "before the newest, first one not shown here" in page
    assert page.count("before the newest, first subnet-of-others") == 1


def test_a_forecast_that_was_made_is_shown_as_it_is():
    forecast = ewc.forecast_exhaustion(usage(), capacity=300, horizon=90)
    assert ewc.report(STATE, history=forecast, time_limit_s=HASTY).forecast is forecast


def test_a_subnet_without_a_forecast_is_named_and_not_drawn():
    report = ewc.report(STATE, history=usage(days=3), time_limit_s=HASTY)
    page = report.to_html()
    assert "no forecast" in page
    assert "its history and forecast" not in page


def test_several_clusters_stand_in_one_page():
    report = ewc.report({"north": STATE, "south": STATE}, time_limit_s=2)
    page = report.to_html()
    assert [part.name for part in report.clusters] == ["north", "south"]
    assert '<a href="#c0">north</a>' in page
    assert '<h2 id="c1">south</h2>' in page
    assert len(set(re.findall(r' id="([^"]*)"', page))) == page.count(' id="')


def test_what_is_not_known_is_said_with_what_would_tell():
    state = ewc.ClusterState(name="bare", nodes=())
    report = ewc.report(state, time_limit_s=HASTY)
    shown = words(report.to_html())
    for part in ("pods", "subnets"):
        assert state.unknown[part] in shown
    row = report.to_pandas().iloc[0]
    assert pd.isna(row["waiting"])
    assert pd.isna(row["saving"])
    empty = ewc.report(ewc.ClusterState(name="void"), time_limit_s=HASTY)
    assert pd.isna(empty.to_pandas()["nodes"].iloc[0])
    assert ewc.ClusterState().unknown["nodes"] in words(empty.to_html())


def test_subnets_without_nodes_and_unknown_places_are_told():
    subnet = SubnetState(subnet_id="subnet-1", cidr="10.0.0.0/24", available=100, reservations=())
    state = ewc.ClusterState(name="x", subnets=(subnet,), cni_configmap={})
    shown = words(ewc.report(state, time_limit_s=HASTY).to_html())
    assert "1 subnet has no map" in shown
    assert "Nodes are not known" in shown


def test_no_fleet_is_recommended_that_the_subnets_do_not_take():
    late = next(pod for pod in STATE.windows_pods if not pod.node)
    more = tuple(replace(late, name=f"more-{n}") for n in range(300))
    state = replace(STATE, pods=STATE.pods + more)
    few = {"m5.large": 0.188, "m5.xlarge": 0.376, "m5.4xlarge": 1.504, "c5.2xlarge": 0.708}
    page = words(ewc.report(state, prices=few, time_limit_s=60).to_html())
    assert "No plan (addresses-short)" in page
    assert "Add: " not in page


def test_an_empty_plan_says_why():
    node = Node(name="n", os="windows", instance_type="m5.large")
    state = ewc.ClusterState(name="x", nodes=(node,), pods=())
    assert "No plan: the cluster state has no Windows pods" in words(
        ewc.report(state, time_limit_s=HASTY).to_html()
    )


def test_what_is_in_the_data_is_escaped():
    report = ewc.report(
        {ATTACK: STATE},
        history=usage(ATTACK).assign(capacity=300),
        title=ATTACK,
        sources={ATTACK: ATTACK},
        time_limit_s=2,
    )
    page = report.to_html()
    assert "<script>alert" not in page
    assert html.escape(ATTACK) in page


def test_the_page_names_its_sources_and_their_days():
    shown = words(whole().to_html())
    catalog = ewc.Catalog.bundled()
    assert f"{catalog.source}, of {catalog.as_of}" in shown
    assert "of 2026-11-01" in shown
    prices = ewc.estimate_windows_prices({"m5.large": 0.096, "m7i.xlarge": 0.2}, as_of="2026-10-02")
    report = ewc.report(STATE, prices=prices, time_limit_s=None)
    assert "as given, of 2026-10-02" in words(report.to_html())
    assert report.to_pandas()["unit"].iloc[0] == "USD a month"


def test_nothing_is_loaded_from_anywhere():
    page = whole().to_html()
    assert not re.search(r"""\b(src|srcset|action|data)=|url\((?!#)|@import|href="(?!#)""", page)
    assert "default-src 'none'" in page


def test_five_thousand_nodes_stay_below_two_megabytes():
    state = large_state()
    days = pd.date_range("2026-06-01", periods=120)
    history = pd.DataFrame(
        {subnet.subnet_id: range(500, 500 + 40 * 120, 40) for subnet in state.subnets}, index=days
    )
    report = ewc.report(state, history=history, time_limit_s=3)
    page = report.to_html()
    assert len(page.encode()) < 2_000_000
    assert all(node.name in page for node in state.nodes)


@pytest.mark.parametrize(
    ("states", "error", "words_of_it"),
    [
        ([], InputError, "got none"),
        (7, UnsupportedInputError, "got int"),
        (["shop"], UnsupportedInputError, "got str"),
        ([STATE, STATE], InputError, "'shop'"),
    ],
)
def test_what_is_no_state_is_an_error_of_ours(states, error, words_of_it):
    with pytest.raises(error, match=words_of_it):
        ewc.report(states)


def test_states_without_a_name_are_counted():
    bare = ewc.ClusterState(nodes=())
    report = ewc.report([bare, bare], time_limit_s=HASTY)
    assert [part.name for part in report.clusters] == ["cluster 1", "cluster 2"]


def test_a_notebook_sees_the_rows_and_how_to_save():
    assert "report.save" in whole()._repr_html_()
    assert repr(whole()) == "<Report on 1 cluster: shop>"


def run(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_the_command_writes_the_page(tmp_path):
    STATE.save(tmp_path / "a.json")
    usage().to_csv(tmp_path / "usage.csv", index=False)
    (tmp_path / "prices.csv").write_text("m5.large,0.2\nc5.xlarge,0.4\n")
    done = run(
        tmp_path / "a.json",
        tmp_path / "a.json",
        "--history",
        tmp_path / "usage.csv",
        "--prices",
        tmp_path / "prices.csv",
        "--time-limit",
        2,
        "-o",
        tmp_path / "page.html",
    )
    assert done.exit_code == 0, done.output
    assert "Report on 1 cluster: shop" in done.stderr
    shown = words((tmp_path / "page.html").read_text("utf-8"))
    assert f"State of shop: {tmp_path / 'a.json'}" in shown
    assert "UTC" in shown


def test_the_command_takes_folders_and_prints(tmp_path):
    ewc.ClusterState(nodes=()).save(tmp_path / "unnamed.json")
    done = run("data/demo/cluster", tmp_path / "unnamed.json", "--time-limit", 2, "-o", "-")
    assert done.exit_code == 0, done.output
    assert '<h2 id="c1">unnamed</h2>' in done.stdout


def test_the_command_needs_a_state():
    assert run("-o", "x.html").exit_code == 2


def test_the_command_takes_capacities_of_subnets_that_have_names_of_their_own(tmp_path):
    usage("elsewhere").to_csv(tmp_path / "use.csv", index=False)
    out = tmp_path / "report.html"
    asked = ["data/demo/cluster", "--history", str(tmp_path / "use.csv"), "-o", str(out)]
    asked += ["--time-limit", str(HASTY)]
    assert "option capacity" in str(run(*asked).exception)
    for capacity in ("400", "elsewhere=400"):
        assert run(*asked, "--capacity", capacity).exit_code == 0
        assert "elsewhere" in out.read_text(encoding="utf-8").partition('id="others"')[2]


def test_a_command_without_options_for_columns_says_how_to_head_them(tmp_path, capsys):
    state, path = tmp_path / "a.json", tmp_path / "use.csv"
    STATE.save(state)
    path.write_text("time,a\n2026-01-01,7 IPs\n")
    with pytest.raises(SystemExit):
        main(["report", str(state), "--history", str(path), "-o", str(tmp_path / "x.html")])
    said = capsys.readouterr().err
    assert "--history has no column that says used or available addresses; head its columns" in said
    assert "=" not in said
    assert "'a' is not of numbers: '7 IPs'" in said


def test_subnets_of_a_history_that_no_cluster_has_are_named():
    history = pd.concat([usage(), usage("elsewhere")])
    with pytest.raises(ewc.CapacityError, match="has 1 subnet that no cluster has: elsewhere; "):
        ewc.report(STATE, history=history, time_limit_s=HASTY)
    # Who gives capacities is told of those.
    with pytest.raises(
        ewc.CapacityError, match="capacity has no value for 1 of 2 subnets"
    ) as caught:
        ewc.report(STATE, history=history, capacity={"elsewhere": 400}, time_limit_s=HASTY)
    assert caught.value.subnets == (usage()["subnet"].iloc[0],)


def test_a_history_of_other_subnets_is_refused_with_the_names_that_are_known():
    with pytest.raises(
        ewc.CapacityError, match="no subnet of the clusters by its id, such as subnet-0a"
    ):
        ewc.report(ewc.demo.cluster(), history=ewc.demo.subnet_usage(), time_limit_s=HASTY)


def test_reasons_to_wait_have_their_numbers():
    waiting = [pod for pod in STATE.pods if pod.phase == "Pending"]
    other = replace(waiting[0], name="w", message="0/3 nodes are available: 3 Insufficient cpu.")
    state = replace(STATE, pods=(*STATE.pods, other))
    shown = words(ewc.report(state, now=date(2026, 11, 1), time_limit_s=None).to_html())
    assert re.search(
        r"3 Windows pods wait, each because .* \(2\), or because no fitting node has the CPU .* \(1\)",
        shown,
    )


def test_pods_that_are_not_created_count_as_many_as_lack():
    web = {"kind": "Deployment", "namespace": "shop", "name": "web", "selects_os": "windows"}
    state = ClusterState(
        name="prod", nodes=(), pods=(),
        workloads=(WorkloadManifest(**web, replicas=3, refused="exceeded quota"),),
    )  # fmt: skip
    page = ewc.report(state, time_limit_s=2)
    assert page.to_pandas()["waiting"].tolist() == [3]
    assert "3 Windows pods wait, each because the API server refuses to create it" in words(
        page.to_html()
    )
