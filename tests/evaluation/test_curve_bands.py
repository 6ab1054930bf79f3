"""Curve bands: the curve is the recorded one, and its intervals hold what they promise."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from anomaly_lab.evaluation.curve_bands import GRID, curve_bands, mean_curves


def drawn(seed, n_genuine=300, n_fake=60, gap=1.5, digits=8):
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], [n_genuine, n_fake])
    return truth, np.round(rng.normal(size=len(truth)) + gap * truth, digits)


@pytest.mark.parametrize("digits", [8, 0])
def test_curves_are_those_of_scikit_learn_with_and_without_ties(digits):
    truth, scores = drawn(0, digits=digits)
    found = curve_bands([(truth, scores)], n_resamples=2)
    false_rate, true_rate, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert found.roc.y == pytest.approx(np.interp(GRID, false_rate, true_rate))
    precision, recall, _ = precision_recall_curve(truth, scores)
    reached = [precision[np.flatnonzero(recall >= at - 1e-9)[-1]] for at in found.recall.x]
    assert found.recall.y == pytest.approx(reached)
    assert found.average_precision[0] == pytest.approx(average_precision_score(truth, scores))


def test_the_area_under_the_mean_curve_is_the_mean_area():
    parts = [drawn(0, n_genuine=100, gap=1), drawn(1, n_genuine=400, gap=2)]
    area = np.trapezoid(curve_bands(parts, n_resamples=2).roc.y, GRID)
    assert area == pytest.approx(np.mean([roc_auc_score(*part) for part in parts]), abs=0.005)
    roc, recall = mean_curves(parts)
    assert roc == pytest.approx((mean_curves(parts[:1])[0] + mean_curves(parts[1:])[0]) / 2)
    assert len(recall) == len(GRID) - 1


def test_scores_of_folds_are_not_mixed():
    truth, scores = drawn(0)
    shifted = curve_bands([(truth, scores), (truth, scores + 100)], n_resamples=2)
    assert shifted.roc.y == pytest.approx(curve_bands([(truth, scores)], n_resamples=2).roc.y)


def test_intervals_hold_the_curve_of_the_population_about_as_often_as_they_say():
    truth, scores = drawn(99, n_genuine=40_000, n_fake=40_000)
    at = [5, 20, 50]
    expected = np.interp(GRID[at], *roc_curve(truth, scores)[:2])
    held = []
    for seed in range(60):
        band = curve_bands([drawn(seed)], n_resamples=200).roc
        held.append((band.low[at] <= expected) & (expected <= band.high[at]))
    assert 0.85 < np.mean(held) < 0.995


def test_more_users_make_narrower_intervals():
    few, many = (curve_bands([drawn(0, n, n // 5)], n_resamples=200).roc for n in (100, 2000))
    assert (few.high - few.low).mean() > 3 * (many.high - many.low).mean()
    assert ((few.low <= few.high) & (few.low >= 0) & (few.high <= 1)).all()


def test_the_same_seed_gives_the_same_intervals():
    part = drawn(0)
    first, again, other = (curve_bands([part], n_resamples=50, seed=seed).recall.low for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
