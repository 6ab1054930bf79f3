"""Protocol *leave-kind-out*: how well a kind of fakes is found that no label has shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.folds import HIDDEN, Fold, parts
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.pool import RatingPool, pool
from anomaly_lab.tasks.simulated_kinds import simulated_kind
from anomaly_lab.types import IntArray

MIN_PARTS = 3


def leave_kind_out(rounds: Sequence[Round]) -> Iterator[Fold]:
    """Yield a fold for each kind, its users unlabelled everywhere and scored against held-out genuine users.

    Genuine users are cut into as many parts as there are kinds, at least three, and each kind is given a part of its
    own: no genuine user is scored twice, so that errors of the kinds' AUCs are as good as independent, and what is
    unlike the rest in one part cannot pull all of them down. Users left out stay in the population, unlabelled, as on
    the day when a new kind appears.

    Where no round's labels name kinds, fakes are simulated instead, by each rating kind of `anomaly_lab.attacks`: see
    `anomaly_lab.tasks.simulated_kinds`.

    Parameters
    ----------
    rounds : sequence of Round
        Labelled rounds, oldest first. Where some name kinds, the others take no part: their fakes may be of any kind.

    Raises
    ------
    DataError
        If labels name one kind only, or there are fewer genuine users than parts.
    """
    naming = [one for one in rounds if one.labels is not None and one.labels.kinds is not None]
    if naming:
        yield from _labelled_kinds(naming)
    else:
        rows = pool([rounds[-1].ratings]).row_of
        held_out = [rows[part] for part in _parts(rounds[-1:], len(RATING_KINDS))]
        for number, kind in enumerate(RATING_KINDS):
            lent = held_out[(number + 1) % len(held_out)]
            yield simulated_kind(rounds, kind, held_out[number], lent, seed=number)


def _labelled_kinds(rounds: Sequence[Round]) -> Iterator[Fold]:
    joint = pool([one.ratings for one in rounds])
    kinds = np.empty(joint.n_users, dtype=np.int64)
    for number, one in enumerate(rounds):
        kinds[joint.positions(number)] = _labels(one).named_kinds
    every = np.unique(kinds[kinds > 0])
    if len(every) < 2:
        raise DataError(
            f"{' + '.join(one.name for one in rounds)}: labels must name two kinds or more to leave one out, "
            f"found kind {every[0]} only"
        )
    for kind, part in zip(every, _parts(rounds, len(every)), strict=False):
        yield _left_out(joint, kinds, int(kind), part)


def _left_out(joint: RatingPool, kinds: IntArray, kind: int, part: IntArray) -> Fold:
    """Return the fold of one kind; genuine users are asked for in the rounds where the kind occurs."""
    mine = kinds == kind
    held_out = part[np.isin(joint.batch_of[part], joint.batch_of[mine])]
    query = np.sort(np.concatenate([np.flatnonzero(mine), held_out]))
    visible, known = (kinds > 0).astype(np.int64), kinds.copy()
    visible[query] = known[query] = HIDDEN
    return Fold(
        name=f"kind {kind}",
        pool=joint,
        visible=visible,
        query=query,
        truth=mine[query].astype(np.int64),
        kinds=kinds[query],
        known_kinds=known,
    )


def _parts(rounds: Sequence[Round], n_kinds: int) -> list[IntArray]:
    """Return parts of the genuine users, each with its share of every round: positions in the pool of the rounds."""
    n_parts = max(MIN_PARTS, n_kinds)
    joint = pool([one.ratings for one in rounds])
    genuine = np.empty(joint.n_users, dtype=bool)
    for number, one in enumerate(rounds):
        genuine[joint.positions(number)] = _labels(one).fake == 0
        n_genuine = int((_labels(one).fake == 0).sum())
        if n_genuine < n_parts:
            raise DataError(
                f"{one.path or one.name}: at least {n_parts} genuine users must be known to hold out a part for each "
                f"of {n_kinds} kinds, found {n_genuine}"
            )
    return list(parts(joint, genuine, joint.batch_of, n_parts))


def _labels(one: Round) -> Labels:
    if one.labels is None:
        raise DataError(f"{one.path or one.name}: must have labels (key 'y'), found none")
    return one.labels
