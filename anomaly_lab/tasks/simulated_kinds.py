"""A kind of fakes that nobody has labelled, simulated: for rounds whose labels name no kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomaly_lab.attacks.bank import BankSettings, simulate
from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.attacks.source import Source
from anomaly_lab.evaluation.folds import HIDDEN, Fold
from anomaly_lab.features.panel import kept_items, panel
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.types import IntArray

N_FAKES = 60


def simulated_kind(rounds: Sequence[Round], kind: str, held_out: IntArray, lent: IntArray, *, seed: int) -> Fold:
    """Return the fold that asks for simulated fakes of one rating kind among held-out genuine users.

    The fakes are made from genuine users of the newest round, who are taken out of the population: beside its own
    model, a copy would be found by its likeness to one user, which no real fake can count on. All other labels stay
    visible, those of real fakes too, whatever their kinds are.

    Parameters
    ----------
    rounds : sequence of Round
        Labelled rounds, oldest first.
    kind : str
        A name of `anomaly_lab.attacks.rating_kinds.RATING_KINDS`.
    held_out : ndarray of int64
        Positions of genuine users of the newest round, in its own order, that are scored beside the fakes.
    lent : ndarray of int64
        Those that the fakes are made from.
    seed : int
        Of the simulation.
    """
    *earlier, newest = rounds
    labels = _labels(newest)
    kept = np.ones(newest.ratings.n_users, dtype=bool)
    kept[lent] = False
    lengths = np.diff(newest.ratings.indptr)[labels.fake == 1]
    fakes = _simulated(newest.ratings.select(~kept), kind, lengths, seed)
    joint = pool([*(one.ratings for one in earlier), newest.ratings.select(kept), fakes])
    visible = np.full(joint.n_users, HIDDEN, dtype=np.int64)
    for number, one in enumerate(earlier):
        visible[joint.positions(number)] = _labels(one).fake
    places = joint.positions(len(earlier))
    visible[places] = labels.fake[kept]
    held_out = places[np.cumsum(kept)[held_out] - 1]
    made = joint.positions(len(rounds))
    visible[held_out] = HIDDEN
    query = np.sort(np.concatenate([made, held_out]))
    return Fold(
        name=kind,
        pool=joint,
        visible=visible,
        query=query,
        truth=np.isin(query, made).astype(np.int64),
        left_out=kind,
    )


def _simulated(lenders: RatingBatch, kind: str, lengths: IntArray, seed: int) -> RatingBatch:
    """Return fakes of one rating kind as a batch of their own."""
    items = kept_items(lenders)
    source = Source(panel(lenders, items), lenders.scale)
    others = tuple(other for other in RATING_KINDS if other != kind)
    settings = BankSettings(n_hybrids=0, n_per_kind=N_FAKES, without=others, seed=seed, n_strays=0)
    levels = simulate(source, np.zeros(lenders.n_users, dtype=np.int64), lengths, settings).levels
    users, columns = np.nonzero(levels >= 0)
    return RatingBatch.from_rows(
        np.char.add("simulated ", users.astype(str)).astype(object),
        lenders.item_ids[items[columns]],
        np.asarray(lenders.scale.levels)[levels[users, columns]],
        scale=lenders.scale,
        source=f"simulated {kind}",
    )


def _labels(one: Round) -> Labels:
    assert one.labels is not None
    return one.labels
