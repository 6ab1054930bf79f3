"""Without any label: users of one rating log scored by a forest that was taught by simulated fakes of that log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.attacks.bank import BankSettings, make_bank
from anomaly_lab.detectors.experts import Material, Mixture, Table, shallow_forest
from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.folds import HIDDEN, parts
from anomaly_lab.evaluation.phrases import column_phrase
from anomaly_lab.features.extract import FeatureStore, UserFeatures
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool, pool
from anomaly_lab.registry import ALL_FAMILIES
from anomaly_lab.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

FEWEST_USERS = 40
N_PARTS = 4
N_TREES = 200
LEAF = 0.1
"""Share of all rows that a leaf holds at least. The log's own fakes stand on the genuine side: trees that can single
them out learn to tell them from the simulated ones, and call them genuine."""
COLUMNS = 0.3
"""Share of the columns that a split chooses from."""
BELIEVED = 0.75
"""Reasons say how a user stands among the least suspicious of this share."""
BANK = BankSettings(n_hybrids=500, n_per_kind=150, n_strays=300)
MIXTURE = Mixture(bank=0.4, strays=0.1, hybrids=0.1)
N_REASONS = 3


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Scores of a log whose labels nobody knows.

    Parameters
    ----------
    user_ids : ndarray of shape (n_users,)
        Ascending.
    scores : ndarray of shape (n_users,)
        Log-odds of the forest, in the order of `user_ids`; no probabilities, for nobody knows the share of generated
        users.
    reasons : list of list of str
        For each user what moves the score most, in words.
    """

    user_ids: AnyArray
    scores: FloatArray
    reasons: list[list[str]]


def detect(batch: RatingBatch, *, seed: int = 0, threads: int = 1) -> Unlabelled:
    """Score the users of one log by what simulated fakes of that log look like.

    Fakes of many kinds are made from the log's own users, and a forest (Breiman, 2001, its cuts drawn at random as by
    Geurts, Ernst and Wehenkel, 2006) learns to tell them from these users; each user is scored by trees that have not
    seen it. The log's own fakes teach the wrong side. So the trees are kept from singling them out: every leaf holds a
    tenth of the rows.

    Parameters
    ----------
    batch : RatingBatch
        The log. Labels are not asked for.
    seed : int
        Randomness of the forest.
    threads : int
        Folds described at a time.

    Raises
    ------
    DataError
        If the log has fewer than `FEWEST_USERS` users.
    """
    if batch.n_users < FEWEST_USERS:
        raise DataError(
            f"{batch.source}: at least {FEWEST_USERS} users must be there to say who is unlike them, "
            f"found {batch.n_users}; give a larger log"
        )
    joint = pool([batch])
    hidden = np.full(joint.n_users, HIDDEN, dtype=np.int64)
    store = FeatureStore(ALL_FAMILIES, threads=threads)
    with threadpool_limits(1):  # the same sums in the same order on every machine; folds have threads of their own
        features, bank = store.matrix(joint, hidden), make_bank(joint, hidden, BANK)
        fakes = bank.parts(store.fakes(joint, hidden, bank).matrix)
        scores, gains = _scores(joint, features.matrix, fakes, seed)
    believed = scores <= np.quantile(scores, BELIEVED)
    ids = batch.user_ids[joint.row_of]
    order = np.argsort(ids, kind="stable")
    reasons = _reasons(gains, features, believed)
    return Unlabelled(ids[order], scores[order], [reasons[user] for user in order])


def _scores(
    joint: RatingPool, matrix: Float32Array, fakes: Mapping[str, Float32Array], seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return out-of-fold scores, and what each column adds to them (Lundberg et al., 2020)."""
    scores, gains = np.empty(len(matrix)), np.empty(matrix.shape)
    simulated = {name: _table(rows) for name, rows in fakes.items()}
    for part in _parts(joint):
        taught = np.ones(len(matrix), dtype=bool)
        taught[part] = False
        rows, y, w = Material(_table(matrix[taught]), simulated).sample(MIXTURE)
        forest = shallow_forest(N_TREES, int(LEAF * len(rows)), COLUMNS, seed).fit(rows.values, y, sample_weight=w)
        scores[part] = forest.predict(matrix[part], raw_score=True)
        gains[part] = forest.predict(matrix[part], pred_contrib=True)[:, :-1]
    return scores, gains


def _table(rows: Float32Array) -> Table:
    return Table(rows, rows)  # trees do not look at ranks


def _parts(joint: RatingPool) -> Iterator[IntArray]:
    everyone = np.ones(joint.n_users, dtype=bool)
    return parts(joint, everyone, np.zeros(joint.n_users, dtype=np.int64), N_PARTS)


def _reasons(gains: FloatArray, features: UserFeatures, believed: BoolArray) -> list[list[str]]:
    """Return for each user the columns that raise its score most, each with its place among believed users."""
    top = np.argsort(-gains, axis=1, kind="stable")[:, :N_REASONS]
    raised = np.take_along_axis(gains, top, axis=1) > 0
    places = _percentiles(features.matrix, top, features.matrix[believed])
    names = [column_phrase(name) for name in features.names]
    return [
        [f"{names[column]}: {_place(at)}" for column, at, one in zip(*user, strict=True) if one]
        for user in zip(top, places, raised, strict=True)
    ]


def _percentiles(matrix: Float32Array, columns: IntArray, among: Float32Array) -> FloatArray:
    """Return the share of some rows with a lower value than each user's in its columns, ties half, in percent."""
    found = np.empty(columns.shape)
    for column in np.unique(columns):
        users, place = np.nonzero(columns == column)
        ascending, values = np.sort(among[:, column]), matrix[users, column]
        below, not_above = (np.searchsorted(ascending, values, side) for side in ("left", "right"))
        found[users, place] = 50 * (below + not_above) / len(ascending)
    return found


def _place(percentile: float) -> str:
    if percentile > 50:
        return f"higher than {min(percentile, 99.9):.3g} % of users"
    return f"lower than {min(100 - percentile, 99.9):.3g} % of users"
