"""A round with a handful of fakes is cut into as many parts as there are fakes; one with a single fake is refused."""

import numpy as np
import pytest

from anomaly_lab.errors import DataError
from anomaly_lab.ratings import Labels, RatingBatch, Round
from anomaly_lab.ratings.scale import STARS
from anomaly_lab.tasks.question import Question


def small_round(n_fakes, kinds=None):
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 6)
    items = np.concatenate([rng.choice(30, 6, replace=False) for _ in range(40)])
    batch = RatingBatch.from_rows(users, items, rng.integers(0, 6, len(users)), scale=STARS)
    labels = np.zeros(40, dtype=int)
    labels[:n_fakes] = 1 if kinds is None else kinds
    return Round(batch, Labels.for_batch(batch, np.arange(40), labels), name="small")


@pytest.mark.parametrize("n_fakes", [2, 3, 4, 7])
def test_every_part_of_a_round_holds_a_fake(n_fakes, recwarn):
    folds = list(Question((small_round(n_fakes),), "in-round").folds())
    assert len(folds) == min(5, n_fakes)
    assert all(0 < fold.truth.sum() < len(fold.truth) for fold in folds)
    assert not recwarn.list


def test_rare_kinds_do_not_hinder_the_cut(recwarn):
    folds = list(Question((small_round(6, kinds=[1, 1, 1, 2, 2, 3]),), "in-round").folds())
    assert len(folds) == 5
    assert all(0 < fold.truth.sum() < len(fold.truth) for fold in folds)
    assert not recwarn.list


def test_a_single_fake_cannot_be_hidden():
    with pytest.raises(DataError, match="at least two different generated users must be known"):
        list(Question((small_round(1),), "in-round").folds())
