"""Drift: how far the users of a batch are from those of training rounds, and whether that is unusual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp, norm

from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.adversarial import adversarial_auc
from anomaly_lab.evaluation.folds import HIDDEN, profile_groups
from anomaly_lab.features.extract import FeatureStore, UserFeatures
from anomaly_lab.features.rows import level_counts
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool, pool
from anomaly_lab.registry import DEFAULT_FAMILIES
from anomaly_lab.types import AnyArray, BoolArray, FloatArray

FAR_MORE = 2.0
"""A batch is unlike training rounds if it is this many times as far from them as they are from each other."""
CHANCE = 0.99
"""Differences that as many of 100 random partings of the same users exceed are chance."""
SHUFFLES = 200
MIN_USERS = 20
"""Fewer users on a side say nothing about a difference."""


@dataclass(frozen=True)
class Difference:
    """How far a batch is from the training rounds, beside how far each of these is from the others.

    Parameters
    ----------
    batch : float
        The batch against all training rounds.
    rounds : tuple of float
        Each training round against the others; empty for one round, which has nothing to be compared with.
    chance : float
        What two random parts of one population exceed in one case of a hundred.
    far_more : bool
        Whether `batch` is `FAR_MORE` times as far off as the worst of `rounds`, and as chance. False if there are no
        `rounds`: one absolute figure fits no two courses.
    """

    batch: float
    rounds: tuple[float, ...]
    chance: float
    far_more: bool


@dataclass(frozen=True, eq=False)
class Drift:
    """What sets a batch apart from training rounds.

    Parameters
    ----------
    told_apart : Difference
        AUC, in [0, 1], of a classifier that tells the batch's users from those of training rounds; 0.5 = not at all.
    levels : Difference
        Total variation, in [0, 1], between the shares of levels.
    shares : DataFrame
        ``level``, and its share of the ``batch`` and of ``training``.
    families : DataFrame
        ``family`` and ``auc``, that of a classifier that sees this family only, the highest first.
    columns : DataFrame
        ``column``, ``ks`` (distance of Kolmogorov and Smirnov, in [0, 1]), ``rounds`` (the largest distance of a
        training round from the others; NaN for one round), medians ``batch`` and ``training``, most shifted first.
    overlap : dict of str to int
        ``same_profile``, users of the batch with exactly the ratings of a training user; ``same_id``; ``items``, items
        of the batch that training rounds know; ``new_items``; ``new_item_ratings``, ratings of the batch on these.
    activity : dict of str to float
        Median number of ratings a user, ``batch`` and ``training``, and ``ks`` between both.
    """

    told_apart: Difference
    levels: Difference
    shares: pd.DataFrame
    families: pd.DataFrame
    columns: pd.DataFrame
    overlap: dict[str, int]
    activity: dict[str, float]


def drift(batch: RatingBatch, rounds: Sequence[RatingBatch], store: FeatureStore | None = None) -> Drift:
    """Compare a batch with training rounds.

    Labels are not used: features are those of a pool in which every label is hidden, and users known to be generated
    stay among the training users. The batch holds generated users too, about as many, whom nobody can leave out; to
    leave them out on one side only would show a difference between any two rounds. If the generated users of the batch
    are made in another way, that is a shift that shall be seen.

    Parameters
    ----------
    batch : RatingBatch
        The batch.
    rounds : sequence of RatingBatch
        Training rounds, at least one, on the same scale.
    store : FeatureStore, optional
        Where features come from; by default the default families, not kept.

    Raises
    ------
    DataError
        If there is no round, the batch is one of them, or a side has fewer than `MIN_USERS` users.
    """
    joint, features = _described(batch, rounds, store)
    target = joint.of(len(rounds))
    return Drift(
        told_apart=_told_apart(joint, features),
        levels=_levels(joint),
        shares=_shares(joint, target),
        families=_families(joint, features, target),
        columns=_columns(joint, features, target),
        overlap=_overlap(batch, rounds),
        activity=_activity(joint, target),
    )


def unusual(
    batch: RatingBatch, rounds: Sequence[RatingBatch], store: FeatureStore | None = None
) -> tuple[Difference, Difference]:
    """Return the two differences that say whether a batch is unlike training rounds: the first fields of `Drift`.

    Parameters
    ----------
    batch, rounds, store
        As for `drift`.

    Raises
    ------
    DataError
        As in `drift`.
    """
    joint, features = _described(batch, rounds, store)
    return _told_apart(joint, features), _levels(joint)


def _described(
    batch: RatingBatch, rounds: Sequence[RatingBatch], store: FeatureStore | None
) -> tuple[RatingPool, UserFeatures]:
    """Return the pool of rounds and batch, the batch last, and everyone's features with every label hidden."""
    if not rounds:
        raise DataError("at least one training round must be given to compare with, found none")
    for one in rounds:
        if one.digest == batch.digest:
            raise DataError(f"{batch.source}: must not be one of the rounds it is compared with, found in {one.source}")
    for one in (*rounds, batch):
        if one.n_users < MIN_USERS:
            raise DataError(f"{one.source}: must have {MIN_USERS} users to be compared, found {one.n_users}")
    joint = pool([*rounds, batch])
    hidden = np.full(joint.n_users, HIDDEN, dtype=np.int64)
    return joint, (store or FeatureStore(DEFAULT_FAMILIES)).matrix(joint, hidden)


def _told_apart(joint: RatingPool, features: UserFeatures) -> Difference:
    groups = profile_groups(joint)

    def auc(users: BoolArray, side: BoolArray) -> float:
        return adversarial_auc(features.matrix[users], side[users], groups[users])

    m = joint.batches[-1].n_users
    n = joint.n_users - m
    chance = 0.5 + float(norm.ppf(CHANCE)) * np.sqrt((m + n + 1) / (12 * m * n))  # Mann and Whitney (1947)
    return _difference(joint, auc, float(chance), _separation)


def _levels(joint: RatingPool) -> Difference:
    counts = level_counts(joint.ratings)

    def variation(users: BoolArray, side: BoolArray) -> float:
        return _variation(counts[users], side[users])

    rng = np.random.default_rng(0)
    target = joint.of(len(joint.batches) - 1)
    shuffled = [_variation(counts, rng.permutation(target)) for _ in range(SHUFFLES)]
    return _difference(joint, variation, float(np.quantile(shuffled, CHANCE)), float)


def _difference(
    joint: RatingPool,
    measure: Callable[[BoolArray, BoolArray], float],
    chance: float,
    distance: Callable[[float], float],
) -> Difference:
    """Measure the batch against all rounds, and each round against the other rounds."""
    last = len(joint.batches) - 1
    training = ~joint.of(last)
    found = measure(np.ones(joint.n_users, dtype=bool), ~training)
    among = range(last if last > 2 else last - 1)  # two rounds differ by one figure, one round by none
    rounds = tuple(measure(training, joint.of(number)) for number in among)
    usual = max(map(distance, (*rounds, chance)))
    return Difference(found, rounds, chance, bool(rounds) and distance(found) > FAR_MORE * usual)


def _separation(auc: float) -> float:
    """Return the distance, in standard deviations, of two normal distributions with this AUC (Green and Swets, 1966).

    AUCs end at 1, so that no multiple of one can be asked for.
    """
    return float(np.sqrt(2) * norm.ppf(np.clip(auc, 1e-6, 1 - 1e-6)))


def _variation(counts: FloatArray, side: BoolArray) -> float:
    """Return the total variation between the shares of levels on both sides, in [0, 1]."""
    a, b = counts[side].sum(axis=0), counts[~side].sum(axis=0)
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def _shares(joint: RatingPool, target: BoolArray) -> pd.DataFrame:
    counts = level_counts(joint.ratings)
    a, b = counts[target].sum(axis=0), counts[~target].sum(axis=0)
    levels = joint.ratings.scale.levels
    return pd.DataFrame({"level": levels, "batch": a / a.sum(), "training": b / b.sum()})


def _families(joint: RatingPool, features: UserFeatures, target: BoolArray) -> pd.DataFrame:
    families = np.array([name.partition(":")[0] for name in features.names])
    groups = profile_groups(joint)
    rows = [
        {"family": family, "auc": adversarial_auc(features.matrix[:, families == family], target, groups)}
        for family in dict.fromkeys(families.tolist())
    ]
    return pd.DataFrame(rows).sort_values("auc", ascending=False, kind="stable", ignore_index=True)


def _columns(joint: RatingPool, features: UserFeatures, target: BoolArray) -> pd.DataFrame:
    last = len(joint.batches) - 1
    rows = []
    for name, column in zip(features.names, features.matrix.T, strict=True):
        here, there = column[target], column[~target]
        among = [
            _ks(column[joint.of(number)], column[~target & ~joint.of(number)]) for number in range(last) if last > 1
        ]
        rows.append(
            {
                "column": name,
                "ks": _ks(here, there),
                "rounds": max(among, default=np.nan),
                "batch": float(np.median(here)),
                "training": float(np.median(there)),
            }
        )
    return pd.DataFrame(rows).sort_values("ks", ascending=False, kind="stable", ignore_index=True)


def _overlap(batch: RatingBatch, rounds: Sequence[RatingBatch]) -> dict[str, int]:
    known = {profile.tobytes() for one in rounds for profile in one.profiles}
    ids = {user for one in rounds for user in one.user_ids.tolist()}
    new = ~np.isin(batch.item_ids, np.concatenate([one.item_ids for one in rounds]))
    return {
        "same_profile": sum(profile.tobytes() in known for profile in batch.profiles),
        "same_id": sum(user in ids for user in batch.user_ids.tolist()),
        "items": int((~new).sum()),
        "new_items": int(new.sum()),
        "new_item_ratings": int(new[batch.items].sum()),
    }


def _activity(joint: RatingPool, target: BoolArray) -> dict[str, float]:
    lengths = np.diff(joint.ratings.indptr)
    here, there = lengths[target], lengths[~target]
    return {"batch": float(np.median(here)), "training": float(np.median(there)), "ks": _ks(here, there)}


def _ks(a: AnyArray, b: AnyArray) -> float:
    return float(ks_2samp(a, b, method="asymp").statistic)
