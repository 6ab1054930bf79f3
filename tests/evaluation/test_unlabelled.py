"""Without labels: planted fakes stand out, and nothing but the ratings counts."""

import numpy as np
import pytest

from anomaly_lab.attacks.bank import BankSettings
from anomaly_lab.errors import DataError
from anomaly_lab.evaluation import unlabelled
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.evaluation.unlabelled import detect
from anomaly_lab.random_rounds import random_round


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A small bank and forest: what is asked here does not hang on their numbers."""
    monkeypatch.setattr(unlabelled, "BANK", BankSettings(n_hybrids=30, n_per_kind=8, n_strays=30))
    monkeypatch.setattr(unlabelled, "N_TREES", 20)


def test_planted_fakes_stand_out_and_have_reasons():
    one = random_round(seed=0).read()
    found = detect(one.ratings)
    order = np.argsort(one.ratings.user_ids)
    np.testing.assert_array_equal(found.user_ids, one.ratings.user_ids[order])
    assert roc_auc(one.labels.fake[order], found.scores) > 0.8
    worst = int(np.argmax(found.scores))
    assert 1 <= len(found.reasons[worst]) <= unlabelled.N_REASONS
    assert all("% of users" in reason for reason in found.reasons[worst])


@pytest.mark.slow
def test_many_fakes_on_the_genuine_side_do_not_hide_each_other():
    aucs = []
    for seed in range(3):
        one = random_round(seed=seed, n_users=100, n_fakes=25).read()
        aucs.append(roc_auc(one.labels.fake[np.argsort(one.ratings.user_ids)], detect(one.ratings).scores))
    assert np.mean(aucs) > 0.94  # 0.87 with leaves of a fiftieth of the rows


@pytest.mark.slow
def test_names_do_not_count_and_a_seed_gives_the_same_bits():
    plain = random_round(seed=1, n_users=60, n_items=40, n_fakes=12)
    ids = np.random.default_rng(5).permutation(60) + 1000
    first, named = (detect(one.ratings) for one in (plain.read(), plain.read(ids=ids)))
    by_id = dict(zip(named.user_ids, named.scores, strict=True))
    np.testing.assert_array_equal(first.scores, [by_id[ids[user]] for user in first.user_ids])
    assert (detect(plain.read().ratings, seed=1).scores != first.scores).any()


def test_too_small_a_log_is_refused_with_what_was_found():
    batch = random_round(seed=2).read().ratings
    few = batch.select(np.arange(batch.n_users) < 39)
    with pytest.raises(DataError, match=r"at least 40 users must be there.*found 39; give a larger log"):
        detect(few)
