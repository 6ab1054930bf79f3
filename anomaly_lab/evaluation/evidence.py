"""Evidence: the ratings, items and other users that speak against one user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit, logit

from anomaly_lab.evaluation.folds import HIDDEN
from anomaly_lab.features.likelihood import log_level_probabilities
from anomaly_lab.features.popularity import solve_tilt
from anomaly_lab.features.rows import incidence, item_level_counts, item_users, per_user
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool, restore_ids
from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray

SHOWN = 10
KNOWN = {HIDDEN: "hidden", 0: "genuine", 1: "generated"}


def unlikely_ratings(joint: RatingPool, visible: IntArray, user: int) -> pd.DataFrame:
    """Return the ratings of a user that are least likely given their items.

    The probability of a level on an item is smoothed as in the family *likelihood*. It is made of everyone but the user
    and those known to be generated.

    Parameters
    ----------
    joint : RatingPool
        Everyone's ratings.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    user : int
        The user's position in the pool.

    Returns
    -------
    DataFrame
        ``item``, ``rating``, its ``probability`` on the item, the ``commonest`` level there, how often it was given
        (``commonest_share``) and how many others rated the item (``raters``); the `SHOWN` least likely first.
    """
    others = joint.ratings.select((visible != 1) & _not(joint, user))
    items, levels = _rows(joint.ratings, user)
    scale = joint.ratings.scale
    probability = np.exp(log_level_probabilities(others)[items, levels])
    counts = item_level_counts(others)[items]
    raters = counts.sum(axis=1)
    table = pd.DataFrame(
        {
            "item": joint.ratings.item_ids[items],
            "rating": np.take(scale.levels, levels),
            "probability": probability,
            "commonest": np.where(raters > 0, np.take(scale.levels, counts.argmax(axis=1)), np.nan),
            "commonest_share": counts.max(axis=1) / np.maximum(raters, 1),
            "raters": raters.astype(int),
        }
    )
    return table.sort_values("probability", kind="stable", ignore_index=True).head(SHOWN)


def neighbours(joint: RatingPool, visible: IntArray, user: int) -> pd.DataFrame:
    """Return the users with whom one shares most items beyond chance.

    By chance, a user of activity n rates each item independently, with log-odds of its popularity plus a tilt that
    gives n items in all, as in the family *popularity*. Equal ratings are expected as often as the level is given on
    the item. Users known to be generated are listed too: who shares most with them may come from the same hand.

    Parameters
    ----------
    joint, visible, user
        As for `unlikely_ratings`.

    Returns
    -------
    DataFrame
        ``user`` (id), ``round``, ``label`` (``genuine``, ``generated`` or ``hidden``), ``common`` items and how many
        were ``expected``, ``z`` (the difference in standard deviations), ``equal`` ratings on the common items and how
        many were ``equal_expected`` (repeated ratings count each time); the `SHOWN` with the highest ``z`` first.
    """
    batch = joint.ratings
    items, levels = _rows(batch, user)
    others = _not(joint, user)
    mine = np.zeros(batch.n_items, dtype=bool)
    mine[items] = True
    common = np.asarray(_seen(batch) @ mine.astype(float))
    expected, spread = _chance(batch, mine, others)
    z = np.where(others, (common - expected) / np.maximum(spread, 1e-6), -np.inf)
    z[common == 0] = -np.inf
    top = np.argsort(-z, kind="stable")[:SHOWN]
    top = top[np.isfinite(z[top])]
    equal, equal_expected = _equal(batch, items, levels, batch.select(others & (visible != 1)))
    table = pd.DataFrame(
        {
            "user": restore_ids(joint, top),
            "round": [Path(joint.batches[number].source).stem for number in joint.batch_of[top]],
            "label": [KNOWN[int(label)] for label in visible[top]],
            "common": common[top].astype(int),
            "expected": expected[top],
            "z": z[top],
            "equal": equal[top].astype(int),
            "equal_expected": equal_expected[top],
        }
    )
    return table.reset_index(drop=True)


def strangers(joint: RatingPool, visible: IntArray, user: int) -> pd.DataFrame:
    """Return the items of a user that belong least to the others.

    Two items belong together as far as rating the one goes with rating the other, the phi coefficient (Pearson, 1900)
    over users not known to be generated, the cosine of item-based recommenders (Sarwar et al., 2001) less what
    popularity makes of it. An item's ``z`` compares its mean phi with the user's other items and that with any items.

    Parameters
    ----------
    joint, visible, user
        As for `unlikely_ratings`.

    Returns
    -------
    DataFrame
        ``item``, ``together`` (mean phi with the user's other items), ``usual`` (with all items), ``z`` and ``raters``;
        the `SHOWN` lowest ``z`` first. Empty for a user with fewer than three items.
    """
    others = joint.ratings.select((visible != 1) & _not(joint, user))
    items = np.unique(_rows(joint.ratings, user)[0])
    if len(items) < 3:
        return pd.DataFrame(columns=["item", "together", "usual", "z", "raters"])
    phi = _phi(others, items)
    phi[np.arange(len(items)), items] = 0.0  # an item says nothing about itself
    n_mine, n_all = len(items) - 1, others.n_items - 1
    together, usual = phi[:, items].sum(axis=1) / n_mine, phi.sum(axis=1) / n_all
    spread = np.sqrt(np.maximum((phi**2).sum(axis=1) / n_all - usual**2, 1e-12))
    table = pd.DataFrame(
        {
            "item": joint.ratings.item_ids[items],
            "together": together,
            "usual": usual,
            "z": (together - usual) / spread * np.sqrt(n_mine),
            "raters": item_users(others)[items].astype(int),
        }
    )
    return table.sort_values("z", kind="stable", ignore_index=True).head(SHOWN)


def _rows(batch: RatingBatch, user: int) -> tuple[AnyArray, AnyArray]:
    """Return the items a user rated and the levels given."""
    mine = slice(batch.indptr[user], batch.indptr[user + 1])
    return batch.items[mine], batch.ratings[mine]


def _not(joint: RatingPool, user: int) -> BoolArray:
    """Return everyone but one user."""
    others = np.ones(joint.n_users, dtype=bool)
    others[user] = False
    return others


def _seen(batch: RatingBatch) -> sparse.csr_array:
    """Return 1 where a user rated an item, sparse of shape (n_users, n_items); a repeated rating counts once."""
    seen = incidence(batch).copy()  # the table shares its arrays with the batch, and they are put together in place
    seen.sum_duplicates()
    seen.data[:] = 1.0
    return seen


def _chance(batch: RatingBatch, mine: BoolArray, others: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return how many of some items each user would rate by chance, and the standard deviation of that number."""
    everyone = batch.select(others)
    base = logit((item_users(everyone) + 1) / (everyone.n_users + 2))
    sizes, which = np.unique(np.asarray(_seen(batch).sum(axis=1)).ravel(), return_inverse=True)
    tilt = solve_tilt(base, sizes.astype(float))
    moments = np.empty((len(sizes), 2))
    for number, one in enumerate(tilt):  # a table of sizes by items would not fit for large catalogues
        chance = expit(base[mine] + one)
        moments[number] = chance.sum(), np.sqrt((chance * (1 - chance)).sum())
    expected, spread = moments[which].T
    return expected, spread


def _equal(
    batch: RatingBatch, items: AnyArray, levels: AnyArray, reference: RatingBatch
) -> tuple[FloatArray, FloatArray]:
    """Return how many ratings of each user equal those given here, and how many would by chance."""
    level_on = np.full(batch.n_items, -1, dtype=np.int64)
    level_on[items] = levels
    rated = level_on[batch.items] >= 0
    likely = np.exp(log_level_probabilities(reference))[np.arange(batch.n_items), np.maximum(level_on, 0)]
    equal = per_user(batch, rated & (level_on[batch.items] == batch.ratings))
    return equal, per_user(batch, rated * likely[batch.items])


def _phi(batch: RatingBatch, items: IntArray) -> FloatArray:
    """Return the phi coefficient of some items with all, shape (n_chosen, n_items); 0 for items nobody rated."""
    seen = _seen(batch)
    share = item_users(batch) / batch.n_users
    both = (seen[:, items].T @ seen).toarray() / batch.n_users
    spread = np.sqrt(share * (1 - share))
    scale = np.outer(spread[items], spread)
    covariance = both - np.outer(share[items], share)
    phi: FloatArray = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-9)
    return phi
