"""Without any label: users of one rating log scored by experts that were taught by simulated fakes of that log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.attacks.bank import BankSettings, make_bank
from anomaly_lab.detectors.experts import Expert, Material, Mixture, Table, fit_ranks, pooled
from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.explain import percentiles
from anomaly_lab.evaluation.folds import HIDDEN, parts
from anomaly_lab.evaluation.phrases import column_phrase
from anomaly_lab.features.extract import FeatureStore, UserFeatures
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool, pool
from anomaly_lab.registry import ALL_FAMILIES
from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray

FEWEST_USERS = 40
N_PARTS = 4
TEACHINGS = 3
SUSPECTED = 0.25
"""Share of users that the next round of teaching does without: few genuine ones are missed, most fakes are gone."""
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
        Log of the experts' summed odds, in the order of `user_ids`; no probabilities, for nobody knows the share of
        generated users.
    reasons : list of list of str
        For each user what moves the score most, in words.
    """

    user_ids: AnyArray
    scores: FloatArray
    reasons: list[list[str]]


def detect(batch: RatingBatch, *, seed: int = 0, threads: int = 1) -> Unlabelled:
    """Score the users of one log by what simulated fakes of that log look like.

    Fakes of many kinds are made from the log's own users, and experts learn to tell them from these users; each user is
    scored by experts that have not seen it. The log holds generated users, too, who teach the wrong side. So the most
    suspected quarter is left out and the experts are taught again, twice (as in self-paced learning: Kumar, Packer and
    Koller, 2010).

    Parameters
    ----------
    batch : RatingBatch
        The log. Labels are not asked for.
    seed : int
        Randomness of the experts.
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
    store = FeatureStore(ALL_FAMILIES, threads=threads)
    believed = np.ones(joint.n_users, dtype=bool)
    with threadpool_limits(1):
        teacher = _Teacher(joint, store, seed)
        for number in range(TEACHINGS):
            scores, gains = teacher.scores(believed, last=number == TEACHINGS - 1)
            believed = scores < np.quantile(scores, 1 - SUSPECTED)
    ids = batch.user_ids[joint.row_of]
    order = np.argsort(ids, kind="stable")
    reasons = _reasons(gains, teacher.features, believed)
    return Unlabelled(ids[order], scores[order], [reasons[user] for user in order])


class _Teacher:
    """Describes everyone once, teaches experts by a bank, and has each user scored by experts that have not seen it."""

    def __init__(self, joint: RatingPool, store: FeatureStore, seed: int) -> None:
        hidden = np.full(joint.n_users, HIDDEN, dtype=np.int64)
        bank = make_bank(joint, hidden, BANK)
        self.features = store.matrix(joint, hidden)
        scaler = fit_ranks(self.features.matrix)
        self.everyone = Table.of(self.features.matrix, scaler)
        rows = bank.parts(store.fakes(joint, hidden, bank).matrix)
        self.fakes = {name: Table.of(part, scaler) for name, part in rows.items()}
        self.parts = list(_parts(joint))
        self.seed = seed

    def scores(self, believed: BoolArray, *, last: bool) -> tuple[FloatArray, FloatArray]:
        """Return out-of-fold scores and, at the last, what each column adds to those of the boosted trees."""
        scores = np.empty(len(self.everyone))
        gains = np.zeros(self.features.matrix.shape if last else (0, 0))
        for part in self.parts:
            taught = believed.copy()
            taught[part] = False
            material = Material(self.everyone[taught], self.fakes)
            expert = Expert.fit(material, MIXTURE, n_trees=150, n_networks=2, seed=self.seed)
            scores[part] = pooled([expert.log_odds(self.everyone[part])])
            if last:
                gains[part] = expert.gains(self.everyone[part])
        return scores, gains


def _parts(joint: RatingPool) -> Iterator[IntArray]:
    everyone = np.ones(joint.n_users, dtype=bool)
    return parts(joint, everyone, np.zeros(joint.n_users, dtype=np.int64), N_PARTS)


def _reasons(gains: FloatArray, features: UserFeatures, believed: BoolArray) -> list[list[str]]:
    """Return for each user the columns that raise its score most, each with its place among believed users."""
    genuine = features.matrix[believed]
    found = []
    for row, gain in zip(features.matrix, gains, strict=True):
        top = [column for column in np.argsort(-gain, kind="stable")[:N_REASONS] if gain[column] > 0]
        places = percentiles(row[top], genuine[:, top])
        found.append([f"{column_phrase(features.names[c])}: {_place(at)}" for c, at in zip(top, places, strict=True)])
    return found


def _place(percentile: float) -> str:
    if percentile > 50:
        return f"higher than {min(percentile, 99.9):.3g} % of users"
    return f"lower than {min(100 - percentile, 99.9):.3g} % of users"
