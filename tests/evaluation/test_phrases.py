"""Every column of every built-in family has plain words of its own."""

import re

import pytest

from anomaly_lab.evaluation.phrases import FAMILIES, column_phrase, family_phrase
from anomaly_lab.random_rounds import random_round
from anomaly_lab.registry import ALL_FAMILIES, FEATURES


def columns_of(family):
    batch = random_round(n_users=40).read().ratings
    half = batch.user_ids % 2 == 0
    return [f"{family}:{column}" for column in FEATURES.load(family)(batch.select(half), batch.select(~half))]


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_every_column_has_plain_words_and_no_two_the_same(family):
    names = columns_of(family)
    phrases = [column_phrase(name) for name in names]
    for name, phrase in zip(names, phrases, strict=True):
        assert not re.search(r":|_|\{", phrase), name
        assert " " in phrase.partition(" (")[0], name
    assert len(set(phrases)) == len(phrases)
    assert family_phrase(family) == FAMILIES[family]


def test_numbers_and_levels_stand_in_the_words():
    assert column_phrase("profile:share_-1") == "share of ratings -1"
    assert column_phrase("co-occurrence:components_20").startswith("share of the set of items in the 20 main")
    assert column_phrase("low-rank:k3_gain").endswith("(3-factor taste)")
    assert column_phrase("co-occurrence:ease_tight_auc").endswith("(tight fit)")


def test_what_has_no_words_is_called_by_its_name():
    assert column_phrase("mine:weekday") == "mine:weekday"
    assert family_phrase("mine") == "mine"
