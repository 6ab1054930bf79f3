"""Variants of a model: each part is left out once and alone once."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.variants import Variant, variants
from anomaly_lab.registry import MODELS


@dataclass
class Composed:
    """Has two components."""

    components: ClassVar[dict] = {"without trees": {"n_trees": 0}, "networks alone": {"n_trees": 0, "n_networks": 2}}
    n_trees: int = 10
    n_networks: int = 1
    seen: tuple[str, ...] = ("a", "b")


class Misnamed(Composed):
    """Names a hyperparameter it does not have."""

    components: ClassVar[dict] = {"without trees": {"trees": 0}}


def by_name(found):
    assert len({(one.part, one.name) for one in found}) == len(found)
    return {(one.part, one.name): (one.families, dict(one.params)) for one in found}


def test_each_family_and_component_is_left_out_and_alone():
    usual = {"n_trees": 10, "n_networks": 1, "seen": ("a", "b")}
    assert by_name(variants("composed", Composed, {}, ("x", "y", "z"))) == {
        ("whole", "whole"): (("x", "y", "z"), usual),
        ("family", "without x"): (("y", "z"), usual),
        ("family", "without y"): (("x", "z"), usual),
        ("family", "without z"): (("x", "y"), usual),
        ("family", "x alone"): (("x",), usual),
        ("family", "y alone"): (("y",), usual),
        ("family", "z alone"): (("z",), usual),
        ("component", "without trees"): (("x", "y", "z"), usual | {"n_trees": 0}),
        ("component", "networks alone"): (("x", "y", "z"), usual | {"n_trees": 0, "n_networks": 2}),
    }


def test_one_family_has_no_variants():
    found = by_name(variants("composed", Composed, {}, ("x",)))
    assert not [part for part, _ in found if part == "family"]


def test_a_component_never_undoes_what_was_asked_for():
    found = by_name(variants("composed", Composed, {"n_networks": 5}, ("x",)))
    assert found["component", "without trees"][1]["n_networks"] == 5
    assert ("component", "networks alone") not in found


def test_a_component_of_what_does_not_exist_is_told():
    with pytest.raises(ConfigError, match="misnamed, component 'without trees' has no parameter 'trees'"):
        variants("misnamed", Misnamed, {}, ("x",))


def test_next_round_leaves_out_each_expert():
    model = MODELS.load("next-round")
    found = by_name(variants("next-round", model, {}, ("profile",)))
    experts = {name: params["experts"] for (part, name), (_, params) in found.items() if part == "component"}
    assert experts == {
        "without labels": ("bank", "strays"),
        "without bank": ("labels", "strays"),
        "without strays": ("labels", "bank"),
        "labels alone": ("labels",),
        "bank alone": ("bank",),
        "strays alone": ("strays",),
        "with hybrids": ("labels", "bank", "strays", "hybrids"),
        "without self-training": ("labels", "bank", "strays"),
    }


def test_a_variant_is_known_by_what_it_is_and_not_by_its_name():
    one = Variant("family", "without x", ("profile",), {"n_trees": 1})
    assert one.key(Composed) == replace(one, part="component", name="profile alone").key(Composed)
    others = [
        replace(one, params={"n_trees": 2}),
        replace(one, families=("seed",)),
        replace(one, families=("agreement",)),
    ]
    assert len({one.key(Composed), one.key(Misnamed), *(other.key(Composed) for other in others)}) == 5
