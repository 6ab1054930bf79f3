"""Stacked: any registered detectors, weighted by what each finds among training users whose labels it has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from optuna.distributions import FloatDistribution
from scipy.special import ndtri

from anomaly_lab.errors import ConfigError, DataError, PluginError
from anomaly_lab.evaluation.engine import checked_scores
from anomaly_lab.evaluation.folds import HIDDEN, Query, Train, training_parts
from anomaly_lab.evaluation.inductive import check_inductive
from anomaly_lab.registry import MODELS
from anomaly_lab.space import defaults
from anomaly_lab.types import FloatArray, IntArray

DEFAULT_MEMBERS = ("logistic-regression", "gradient-boosting", "mlp", "knn-distance", "lof")
N_PARTS = 3
CAUTION = 10.0
"""How much heavier weights are shrunk if parts of one round stand for the round that is asked about."""
View = TypeVar("View", Train, Query)


@dataclass
class StackedDetector:
    """Stacked generalisation of any registered detectors, a weighted mean of their normal scores (Wolpert, 1992).

    Members run at their defaults and see the feature families that are switched on. Each one's scores become normal
    scores within the batch they are asked about: scales differ between members and shift between rounds. An inductive
    stack knows no such batch: the training users' scores stand for it.

    Weights are never negative. They come from a ridge regression of the labels on out-of-fold scores (Breiman, 1996):
    round by round where several rounds are labelled, so that they say what a member finds in a round that it has not
    been taught. If one round is labelled and another is asked about, they say what it finds among users like those it
    has been taught, which flatters whoever learns that round by heart: shrinkage, which draws them towards how far each
    member by itself sets fakes apart, is then ten times as heavy.

    A stack is refitted, never saved: members may read ratings themselves.

    Parameters
    ----------
    members : tuple of str
        Names of registered detectors, at least two, each once.
    shrinkage : float
        Penalty on the weights; 1 is as heavy as the variance of a member's scores.
    without : tuple of str
        Rating kinds that members which simulate fakes must do without.

    Raises
    ------
    ConfigError
        If a member is unknown, cannot be loaded, stands twice or is a stack, or if there are fewer than two.
    """

    task: ClassVar[str] = "fake-users"
    tuned_by_default: ClassVar[bool] = False
    components: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        f"without {one}": {"members": tuple(other for other in DEFAULT_MEMBERS if other != one)}
        for one in DEFAULT_MEMBERS
    }

    members: tuple[str, ...] = DEFAULT_MEMBERS
    shrinkage: Annotated[float, FloatDistribution(0.01, 10.0, log=True)] = 0.1
    without: tuple[str, ...] = ()

    weights_: FloatArray = field(init=False, repr=False)
    members_: list[_Member] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.members) < 2 or len(set(self.members)) < len(self.members):
            found = ", ".join(self.members) or "none"
            raise ConfigError(f"stacked: members must name at least two detectors, each once, found {found}")
        for name in self.members:
            _load(name)

    def fit(self, train: Train, *, rng: np.random.Generator) -> StackedDetector:
        """Weigh the members by their out-of-fold scores, then fit each on all training users."""
        seed = int(rng.integers(2**31 - 1))
        train = _as_the_stack_sees(train)
        try:
            parts = held_out_parts(train)
        except DataError:  # a single known fake cannot be hidden: nothing tells the members apart
            self.weights_ = np.full(len(self.members), 1 / len(self.members))
        else:
            self.weights_ = self._weigh(train, parts, self._out_of_fold(train, parts, seed))
        asked = train.users if train.inductive else np.flatnonzero(train.visible == HIDDEN)
        self.members_ = self._fit(train, asked, [seed, 0])
        return self

    def score(self, query: Query) -> FloatArray:
        """Return the weighted mean of the members' normal scores."""
        query = _as_the_stack_sees(query)
        return weighted_mean([member.normal_scores(query) for member in self.members_], self.weights_)

    def out_of_fold(self, train: Train, *, rng: np.random.Generator) -> FloatArray:
        """Return scores of the training users, in their order, by members that have not seen their labels.

        The weights, as few as members, have seen them, as those of `fit` have.

        Raises
        ------
        DataError
            If a class has one profile only, so that hiding it would leave nothing to learn from.
        """
        train = _as_the_stack_sees(train)
        parts = held_out_parts(train)
        columns = self._out_of_fold(train, parts, int(rng.integers(2**31 - 1)))
        return weighted_mean(columns, self._weigh(train, parts, columns))

    def _out_of_fold(self, train: Train, parts: Sequence[IntArray], seed: int) -> list[FloatArray]:
        """Return each member's normal scores of the training users, each part's within that part."""
        columns = np.empty((len(self.members), len(train.visible)))
        for number, part in enumerate(parts, start=1):
            taught = _hide(train, part)
            query = Query(taught.pool, taught.visible, part, taught.store)
            fitted = self._fit(taught, part, [seed, number])
            columns[:, part] = [member.normal_scores(query) for member in fitted]
        return list(columns[:, train.users])

    def _weigh(self, train: Train, parts: Sequence[IntArray], columns: Sequence[FloatArray]) -> FloatArray:
        asked = np.flatnonzero(train.visible == HIDDEN)
        flattered = _in_known_rounds(train, parts[0]) and not _in_known_rounds(train, asked)
        return stack_weights(columns, train.labels, self.shrinkage * (CAUTION if flattered else 1))

    def _fit(self, train: Train, batch: IntArray, seed: list[int]) -> list[_Member]:
        """Return the members, fitted, each with its scores of the batch that will be asked about."""
        query = Query(train.pool, train.visible, batch, train.store)
        members = []
        for number, name in enumerate(self.members):
            model = _load(name)
            simulates = "without" in defaults(model)
            with _blamed(name):
                check_inductive(name, model, inductive=train.inductive)
                detector = model(**({"without": self.without} if simulates else {}))
                detector.fit(train, rng=np.random.default_rng([*seed, number]))
                members.append(_Member(name, detector, np.sort(_scores(name, detector, query))))
        return members


@dataclass(frozen=True, eq=False)
class _Member:
    """A fitted detector and its scores of a batch, ascending."""

    name: str
    detector: Any
    batch: FloatArray

    def normal_scores(self, query: Query) -> FloatArray:
        """Return the detector's scores as normal scores within the batch."""
        return normal_scores(_scores(self.name, self.detector, query), self.batch)


def normal_scores(scores: FloatArray, batch: FloatArray) -> FloatArray:
    """Return the normal quantiles of scores' ranks within a batch, tied scores at their mean rank, shape (n,).

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Any finite numbers.
    batch : ndarray of shape (n_batch,)
        The scores of the batch, ascending; whatever lies beyond them counts as its lowest or highest.
    """
    below = (np.searchsorted(batch, scores, side="left") + np.searchsorted(batch, scores, side="right")) / 2
    quantiles: FloatArray = ndtri(np.clip(below, 0.5, len(batch) - 0.5) / len(batch))
    return quantiles


def stack_weights(columns: Sequence[FloatArray], labels: IntArray, shrinkage: float) -> FloatArray:
    """Return the weight of each member, none negative, their sum 1: by ridge regression of balanced labels.

    Parameters
    ----------
    columns : sequence of ndarray of shape (n_users,)
        Out-of-fold scores of each member, of about unit variance.
    labels : ndarray of shape (n_users,)
        1 generated, 0 genuine.
    shrinkage : float
        Penalty per user; the heavier, the closer are weights to each member's own covariance with the labels.
    """
    from sklearn.linear_model import Ridge
    from sklearn.utils.class_weight import compute_sample_weight

    ridge = Ridge(alpha=shrinkage * len(labels), positive=True)
    ridge.fit(np.column_stack(columns), labels, sample_weight=compute_sample_weight("balanced", labels))
    found = ridge.coef_ if ridge.coef_.any() else np.ones(len(columns))  # none is better than chance: all alike
    weights: FloatArray = found / found.sum()
    return weights


def weighted_mean(columns: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
    """Return the mean of columns, summed one after the other: a user's sum hangs on no other's place."""
    total = np.zeros(len(columns[0]))
    for column, weight in zip(columns, weights, strict=True):
        total += weight * column
    return total


def held_out_parts(train: Train) -> list[IntArray]:
    """Return positions of training users to hide in turn: each labelled round, or parts where one round is labelled.

    Raises
    ------
    DataError
        If a class has one profile only, so that hiding it would leave nothing to learn from.
    """
    labelled = train.visible != HIDDEN
    round_of = train.pool.batch_of
    rounds = [np.flatnonzero(labelled & (round_of == one)) for one in np.unique(round_of[labelled])]
    if all(len(np.unique(_hide(train, part).labels)) == 2 for part in rounds):
        return rounds
    return list(training_parts(train.pool, train.visible, N_PARTS))


def _in_known_rounds(train: Train, users: IntArray) -> bool:
    """Return whether some of these users are of a round in which other users' labels are known."""
    round_of = train.pool.batch_of
    return bool(np.isin(round_of[users], round_of[np.setdiff1d(train.users, users)]).any())


def _hide(train: Train, part: IntArray) -> Train:
    """Return what is known while the labels of a part are hidden."""
    visible = train.visible.copy()
    visible[part] = HIDDEN
    kinds = None if train.kinds is None else np.where(visible == HIDDEN, HIDDEN, train.kinds)
    named = kinds is not None and bool((kinds > 0).any())
    return replace(train, visible=visible, kinds=kinds if named else None)


def _as_the_stack_sees(view: View) -> View:
    """Return a view in which members that name families of their own see those that the stack sees.

    A run remembers the families of the stack, so an export then fits what was ranked.
    """
    return replace(view, store=replace(view.store, only=view.store.families))


def _scores(name: str, detector: Any, query: Query) -> FloatArray:
    return checked_scores(name, detector.score(query), len(query.users))


def _load(name: str) -> Any:
    """Return a member's class.

    Raises
    ------
    ConfigError
        If there is none, it cannot be loaded, or it is a stack.
    """
    try:
        model = MODELS.load(name)
    except (ConfigError, PluginError) as error:
        raise ConfigError(f"stacked: members must be registered detectors; {error}") from error
    if isinstance(model, type) and issubclass(model, StackedDetector):
        raise ConfigError(f"stacked: members must not be stacks themselves, found {name}")
    return model


@contextmanager
def _blamed(name: str) -> Iterator[None]:
    """Say whose fault it is if a member lacks a package or sees no family."""
    try:
        yield
    except (ImportError, ConfigError) as error:
        raise ConfigError(f"stacked: member '{name}' cannot run: {error}; leave it out of members") from error
