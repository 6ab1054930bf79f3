"""Task *fake-users*: one anomaly score per user of a round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.folds import HIDDEN, Fold, parts, parts_possible
from anomaly_lab.evaluation.metrics import MetricSpec
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.pool import RatingPool, pool
from anomaly_lab.tasks.kind_out import leave_kind_out
from anomaly_lab.tasks.names import FAKE_USERS
from anomaly_lab.types import IntArray

PROTOCOLS = {
    "next-round": "each labelled round queried once, trained on all others",
    "in-round": "stratified cross-validation within each round: five-fold of one, three-fold of several",
    "forward": "each round but the first queried once, trained on earlier ones only",
}
LEAVE_KIND_OUT = "leave-kind-out"
FURTHER_PROTOCOLS = {LEAVE_KIND_OUT: "each kind of fakes in turn unlabelled, scored against held-out genuine users"}
"""Measured beside a ranking, never ranked by: tuning on them would use up what they tell."""
NEED_TWO_ROUNDS = ("next-round", "forward")
ORDERED = ("forward", LEAVE_KIND_OUT)
"""Protocols to which it matters which round is the newest."""
IN_ROUND_PARTS = 5
OF_SEVERAL_ROUNDS = 3
"""A round alone is cut into five parts, each of several into three: there are more folds to take a mean of."""


@dataclass(frozen=True)
class FakeUsers:
    """Ask which users' ratings were generated rather than lived."""

    name: ClassVar[str] = FAKE_USERS
    version: ClassVar[int] = 2  # F1 at another threshold and in-round in three parts since 1: not to be ranked together
    outputs: ClassVar[int] = 1
    primary: ClassVar[MetricSpec] = MetricSpec("auc", "maximize", "area under the ROC curve, mean over query rounds")
    tie_breaker: ClassVar[MetricSpec] = MetricSpec("f1", "maximize", "F1 at the threshold chosen in training")
    protocols: ClassVar[dict[str, str]] = PROTOCOLS

    def default_protocol(self, rounds: Sequence[Round]) -> str:
        """Return next-round as soon as there are two rounds, else in-round."""
        return "next-round" if len(rounds) > 1 else "in-round"

    def check(self, rounds: Sequence[Round], protocol: str) -> None:
        """Raise unless every round is labelled and given once, and there are as many as the protocol needs.

        Raises
        ------
        ConfigError
            If the protocol is unknown or needs more rounds.
        DataError
            If a round has no labels, or is given twice.
        """
        known = {**PROTOCOLS, **FURTHER_PROTOCOLS}
        if protocol not in known:
            raise ConfigError(f"--protocol must be one of {', '.join(known)}, found '{protocol}'")
        for one in rounds:
            if one.labels is None:
                raise DataError(f"{one.path or one.name}: a round to learn from must have labels, found none (key 'y')")
        digests = [one.ratings.digest for one in rounds]
        for number, digest in enumerate(digests):
            if digest in digests[:number]:
                raise DataError(
                    f"each round must be given once, found the ratings of {rounds[digests.index(digest)].name} "
                    f"again in {rounds[number].name}"
                )
        if protocol in NEED_TWO_ROUNDS and len(rounds) < 2:
            raise ConfigError(
                f"protocol {protocol} needs two labelled rounds, found one; give another --round or use in-round"
            )

    def identity(self, rounds: Sequence[Round], protocol: str) -> list[str]:
        """Return the digests of ratings and labels, in order where order matters."""
        digests = [f"{one.ratings.digest}{_labels(one).digest(one.ratings)}" for one in rounds]
        return digests if protocol in ORDERED else sorted(digests)

    def folds(self, rounds: Sequence[Round], protocol: str) -> Iterator[Fold]:
        """Yield the folds of a protocol.

        Parameters
        ----------
        rounds : sequence of Round
            Labelled rounds, oldest first.
        protocol : str
            One of `PROTOCOLS` or `FURTHER_PROTOCOLS`.
        """
        if protocol == "in-round":
            n_parts = IN_ROUND_PARTS if len(rounds) == 1 else OF_SEVERAL_ROUNDS
            for one in rounds:
                yield from in_round(one, n_parts)
        elif protocol == "next-round":
            joint = pool([one.ratings for one in rounds])
            for number in range(len(rounds)):
                yield query_round(joint, rounds, number)
        elif protocol == LEAVE_KIND_OUT:
            yield from leave_kind_out(rounds)
        else:
            for number in range(1, len(rounds)):
                earlier = rounds[: number + 1]
                yield query_round(pool([one.ratings for one in earlier]), earlier, number)


def query_round(joint: RatingPool, rounds: Sequence[Round], queried: int) -> Fold:
    """Return the fold that asks for one round given the labels of all the others."""
    visible = np.full(joint.n_users, HIDDEN, dtype=np.int64)
    kinds = np.full(joint.n_users, HIDDEN, dtype=np.int64)
    for number, one in enumerate(rounds):
        if number != queried:
            labels = _labels(one)
            visible[joint.positions(number)] = labels.fake
            kinds[joint.positions(number)] = labels.named_kinds
    labels = _labels(rounds[queried])
    query = np.sort(joint.positions(queried))
    row = joint.row_of[query]
    return Fold(
        name=rounds[queried].name,
        pool=joint,
        visible=visible,
        query=query,
        truth=labels.fake[row],
        kinds=None if labels.kinds is None else labels.kinds[row],
        known_kinds=kinds,
    )


def in_round(one: Round, wanted: int) -> Iterator[Fold]:
    """Yield the folds that ask for each part of a round given the labels of the others, stratified by kind.

    Parameters
    ----------
    one : Round
        A labelled round.
    wanted : int
        Number of parts; fewer where a class has fewer profiles.
    """
    labels = _labels(one)
    alone = pool([one.ratings])
    fake = labels.fake[alone.row_of]
    kinds = fake if labels.kinds is None else labels.kinds[alone.row_of]
    everyone = np.ones(alone.n_users, dtype=bool)
    n_parts = parts_possible(alone, fake, wanted, one.path or one.name)
    strata = kinds if np.unique(kinds, return_counts=True)[1].min() >= n_parts else fake
    for number, part in enumerate(parts(alone, everyone, strata, n_parts)):
        yield Fold(
            name=f"{one.name}/{number}",
            pool=alone,
            visible=_hide(fake, part),
            query=part,
            truth=fake[part],
            kinds=None if labels.kinds is None else kinds[part],
            known_kinds=_hide(labels.named_kinds[alone.row_of], part),
        )


def _hide(labels: IntArray, part: IntArray) -> IntArray:
    visible = labels.copy()
    visible[part] = HIDDEN
    return visible


def _labels(one: Round) -> Labels:
    if one.labels is None:
        raise DataError(f"{one.path or one.name}: must have labels (key 'y'), found none")
    return one.labels
