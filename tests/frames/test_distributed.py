"""Dask's own scheduler with two worker processes, one of which dies in the middle."""

import contextlib
import os
import signal
import time

import pandas as pd
import pytest

import eks_win_capacity as ewc

pytest.importorskip("narwhals", reason="narwhals is not installed: the extra `frames`")
distributed = pytest.importorskip("distributed", reason="Dask is not installed")
dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")

pytestmark = [
    pytest.mark.filterwarnings("ignore:Dask support is moving out of Narwhals:FutureWarning"),
]

NODES = pd.DataFrame(
    {
        "instance_type": ["m5.large", "t3.xlarge", "c5.4xlarge", "m5.24xlarge"] * 100,
        "group": [f"g{i % 7}" for i in range(400)],
    }
)


@pytest.fixture(scope="module")
def client():
    """One cluster for all tests: its nanny starts a new process for the one that dies."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def dying(tmp_path):
    """A step that kills the process of the first worker which comes to a third of the rows."""
    died = tmp_path / "died"

    def step(rows):
        time.sleep(0.05)
        if (rows.index > len(NODES) // 3).any():
            with contextlib.suppress(FileExistsError):
                died.touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        return rows

    yield step
    assert died.exists()


def test_a_worker_that_dies_changes_no_column(client, dying):
    frame = dd.from_pandas(NODES, npartitions=20).map_partitions(dying, meta=NODES[:0])
    plan = ewc.frames.with_capacity(frame, prefix_delegation=True)
    computed = client.compute(plan).result(timeout=100)
    expected = ewc.max_pods(NODES.instance_type, prefix_delegation=True)
    assert computed["max_pods"].tolist() == expected.tolist()


def test_a_worker_that_dies_changes_no_sum(client, dying):
    frame = dd.from_pandas(NODES, npartitions=20).map_partitions(dying, meta=NODES[:0])
    computed = client.compute(ewc.frames.totals(frame, by="group")).result(timeout=100)
    expected = ewc.frames.totals(NODES, by="group")
    computed = computed.sort_values("group", ignore_index=True)
    assert computed.astype(object).to_dict("list") == expected.astype(object).to_dict("list")


def draw(rows, rng):
    return pd.DataFrame({"rows": [len(rows)], "drawn": [rng.random()]})


def test_a_worker_that_dies_changes_no_draw(client, dying):
    columns = {"rows": "int64", "drawn": "float64"}
    expected = ewc.frames.study(NODES, draw, by="group", columns=columns)
    frame = dd.from_pandas(NODES, npartitions=8).map_partitions(dying, meta=NODES[:0])
    plan = ewc.frames.study(frame, draw, by="group", columns=columns)
    computed = client.compute(plan).result(timeout=100).sort_values("group", ignore_index=True)
    assert computed.astype({"group": "str"}).equals(expected.astype({"group": "str"}))


def test_our_error_comes_back_from_a_worker(client):
    frame = dd.from_pandas(NODES.assign(instance_type="m5.larg"), npartitions=4)
    with pytest.raises(ewc.errors.UnknownInstanceTypeError) as caught:
        client.compute(ewc.frames.with_capacity(frame)).result(timeout=120)
    assert caught.value.count == 100
    assert caught.value.close_matches[0] == "m5.large"
