"""The course's rule: an order whatever the input's order, bands anchored at their leader."""

import itertools
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.ranking import TIE_MARGIN, Contender, Placing, rank

AUCS = st.one_of(st.integers(0, 1000).map(lambda n: n / 1000), st.floats(0, 1))
F1S = st.one_of(st.just(nan), st.integers(0, 20).map(lambda n: n / 20), st.floats(0, 1))


@st.composite
def fields(draw: st.DrawFn, max_size: int = 40) -> list[Contender]:
    figures = draw(st.lists(st.tuples(AUCS, F1S, st.integers(0, 3)), min_size=1, max_size=max_size))
    return [Contender(f"run{number}", auc, f1, submitted) for number, (auc, f1, submitted) in enumerate(figures)]


def keys(placings: list[Placing]) -> list[str]:
    return [one.contender.key for one in placings]


def bands(placings: list[Placing]) -> list[list[Contender]]:
    return [[one.contender for one in group] for _, group in itertools.groupby(placings, key=lambda one: one.band)]


def test_a_tie_that_is_no_order_becomes_one():
    a, b, c = Contender("A", 0.910, 0.50), Contender("B", 0.906, 0.60), Contender("C", 0.902, 0.70)
    for given_order in itertools.permutations([a, b, c]):
        placings = rank(given_order)
        assert keys(placings) == ["B", "A", "C"]
        assert [one.band for one in placings] == [1, 1, 2]


def test_a_difference_of_the_margin_is_no_tie_whatever_floating_point_says():
    assert TIE_MARGIN > 0.563 - 0.558  # the trap
    for low in range(500, 996):
        placings = rank([Contender("low", low / 1000, 0.9), Contender("high", (low + 5) / 1000, 0.1)])
        assert keys(placings) == ["high", "low"], low
        assert placings[1].band == 2


def test_a_smaller_difference_is_a_tie_broken_by_f1():
    placings = rank([Contender("low", 0.5581, 0.9), Contender("high", 0.563, 0.1)])
    assert keys(placings) == ["low", "high"]
    assert [one.band for one in placings] == [1, 1]


@given(fields(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(contenders, random):
    shuffled = random.sample(contenders, len(contenders))
    assert rank(shuffled) == rank(contenders)


@given(fields())
def test_everyone_stands_once_with_ranks_from_one(contenders):
    placings = rank(contenders)
    assert sorted(keys(placings)) == sorted(one.key for one in contenders)
    assert [one.rank for one in placings] == list(range(1, len(contenders) + 1))
    assert [one.band for one in placings] == sorted(one.band for one in placings)


@given(fields())
def test_a_band_holds_all_that_are_tied_with_its_leader_and_no_one_else(contenders):
    groups = bands(rank(contenders))
    leaders = [max(one.auc for one in group) for group in groups]
    for group, leader, next_leader in zip(groups, leaders, [*leaders[1:], None], strict=True):
        assert all(round(leader - one.auc, 12) < TIE_MARGIN for one in group)
        assert next_leader is None or round(leader - next_leader, 12) >= TIE_MARGIN


@given(fields())
def test_within_a_band_a_higher_f1_stands_first_and_none_last(contenders):
    for group in bands(rank(contenders)):
        f1 = [-1 if np.isnan(one.f1) else one.f1 for one in group]
        assert f1 == sorted(f1, reverse=True)


@given(fields())
def test_the_top_does_not_hang_on_who_stands_below(contenders):
    placings = rank(contenders)
    for last in {one.band for one in placings}:
        top = [one for one in placings if one.band <= last]
        assert [one.contender for one in rank([one.contender for one in top])] == [one.contender for one in top]


def test_one_rule_for_one_and_for_a_thousand():
    rng = np.random.default_rng(0)
    many = [Contender(str(number), auc, f1) for number, (auc, f1) in enumerate(rng.uniform(size=(1000, 2)))]
    placings = rank(many)
    assert keys(placings) == keys(rank(reversed(many)))
    assert 1 < placings[-1].band <= 1 / TIE_MARGIN + 1
    alone = rank(many[:1])
    assert (alone[0].rank, alone[0].band, alone[0].why) == (1, 1, "highest AUC")
    assert rank([]) == []


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (Contender("b", 0.8, 0.1), "AUC 0.100 below the one above"),
        (Contender("b", 0.899, 0.1), "tied at AUC 0.900 (within 0.005), F1 0.100 after 0.500"),
    ],
)
def test_every_place_has_its_reason(second, why):
    assert rank([Contender("a", 0.9, 0.5), second])[1].why == why


def test_equal_figures_stand_in_the_order_they_were_handed_in():
    late, early = Contender("a", 0.9, 0.5, submitted=2), Contender("b", 0.9, 0.5, submitted=1)
    assert keys(rank([late, early])) == ["b", "a"]
