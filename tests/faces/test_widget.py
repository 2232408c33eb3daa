"""The sliders say what the functions say; a browser moves them in test_jupyterlab.py."""

import sys

import pytest

import eks_win_capacity as ewc
from eks_win_capacity.core.errors import MissingExtraError, UnknownInstanceTypeError


def test_the_answer_is_that_of_the_functions():
    sliders = ewc.what_if(instance_type="c5.xlarge", pods=7, subnet="10.1.0.0/25", used=20)
    pool = ewc.WarmPool.secondary()
    fit = ewc.nodes_that_fit(
        ewc.Subnet("10.1.0.0/25", used=20), "c5.xlarge", pods_per_node=7, pool=pool
    )
    state = ewc.attached_addresses(7, slots=14, pool=pool)
    assert sliders.answer == {
        "pods_per_node": ewc.node_capacity("c5.xlarge").pods,
        "binds": "addresses",
        "addresses": state.addresses,
        "prefixes": 0,
        "warm": state.warm,
        "nodes": fit.nodes,
        "nodes_at_best": fit.best,
        "why": fit.why,
    }
    assert sliders.to_pandas().to_dict("records") == [sliders.answer]
    assert "pods per node 14" in repr(sliders)


def test_each_slider_changes_the_answer():
    sliders = ewc.what_if()
    for name, value in {
        "pods": 3,
        "used": 40,
        "subnet": "10.0.0.0/23",
        "warm_ip_target": 5,
        "instance_type": "m5.xlarge",
        "prefix_delegation": True,
        "warm_prefix_target": 4,
    }.items():
        before = dict(sliders.answer)
        if name == "warm_prefix_target":  # it acts where it is alone
            sliders.controls["warm_ip_target"].value = 0
            sliders.controls["minimum_ip_target"].value = 0
        sliders.controls[name].value = value
        assert sliders.answer != before, name


def test_another_mode_brings_its_own_targets():
    sliders = ewc.what_if()
    sliders.controls["prefix_delegation"].value = True
    pool = ewc.WarmPool.prefix()
    assert sliders.controls["warm_ip_target"].value == pool.warm_ip_target
    assert sliders.answer["prefixes"] == 1
    assert not sliders.controls["warm_prefix_target"].disabled
    sliders.controls["prefix_delegation"].value = False
    assert sliders.controls["warm_ip_target"].value == ewc.WarmPool.secondary().warm_ip_target


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [("pods", 30, "9"), ("subnet", "10.0.0", "10.0.0"), ("instance_type", "m5.larg", "m5.large")],
)
def test_what_cannot_be_answered_says_why_in_its_place(name, value, why):
    sliders = ewc.what_if(pods=3)
    sliders.controls[name].value = value
    assert sliders.answer == {}
    assert why in sliders.why
    assert sliders.to_pandas().empty
    assert sliders.why in repr(sliders)
    sliders.controls[name].value = {"pods": 3, "subnet": "10.0.0.0/24"}.get(name, "m5.large")
    assert sliders.answer["nodes"] > 0


def test_a_pool_that_is_given_is_where_the_sliders_begin():
    pool = ewc.WarmPool.prefix(warm_prefix_target=2)
    sliders = ewc.what_if(pool=pool)
    assert sliders.answer["prefixes"] == 3
    assert sliders.controls["prefix_delegation"].value is True


def test_a_notebook_shows_the_box():
    assert "application/vnd.jupyter.widget-view+json" in ewc.what_if()._repr_mimebundle_()


def test_an_unknown_type_is_an_error_of_ours():
    with pytest.raises(UnknownInstanceTypeError, match=r"m5\.large"):
        ewc.what_if(instance_type="m5.larg")


def test_without_ipywidgets_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(MissingExtraError, match="notebook"):
        ewc.what_if()
