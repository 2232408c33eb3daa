"""Every data class of floor and models is a value: frozen, compared by all that it says."""

import dataclasses
import importlib
import pkgutil

from eks_win_capacity.core.display import Shown

ROOMS = ("core", "density", "addresses")
BY_NAME = {
    "ConfigMap", "Finding", "Migration", "NodeCapacity", "NodeNeed", "NodesThatFit",
    "ReservationPlan", "Reserved", "SmallestSubnet", "SubnetNeed", "WarmPool",
}  # fmt: skip
IN_WORDS = {"NodeCapacity", "NodesThatFit", "SmallestSubnet"}
SLOTTED = {"ArrowText", "Coded", "Names", "Objects"}
NOT_COMPARED = {"SmallestSubnet": ["_columns"], "WarmPool": ["findings"]}
NOT_SHOWN = {"SmallestSubnet": ["_columns"], "WarmPool": ["findings"]}


def data_classes():
    for room in ROOMS:
        package = importlib.import_module(f"eks_win_capacity.{room}")
        for module_info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(module_info.name)
            for name, one in vars(module).items():
                defined_here = isinstance(one, type) and one.__module__ == module_info.name
                if defined_here and dataclasses.is_dataclass(one):
                    yield name, one, dataclasses.fields(one)


def test_every_data_class_is_frozen_and_those_given_by_name_compare():
    for name, one, _ in data_classes():
        assert one.__dataclass_params__.frozen, name
        if name in BY_NAME:
            assert one.__dataclass_params__.eq, name
            assert (one.__repr__ is Shown.__repr__) is (name in IN_WORDS), name
            assert one.__repr__ is not object.__repr__, name


def test_which_fields_are_given_by_name_compared_and_shown():
    classes = {name: (one, fields) for name, one, fields in data_classes()}
    assert {n for n, (_, fields) in classes.items() if all(f.kw_only for f in fields)} >= BY_NAME
    assert {n for n, (one, _) in classes.items() if "__slots__" in vars(one)} >= SLOTTED
    for hidden, flag in ((NOT_COMPARED, "compare"), (NOT_SHOWN, "repr")):
        for name, names in hidden.items():
            assert [f.name for f in classes[name][1] if not getattr(f, flag)] == names, name
