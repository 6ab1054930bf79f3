"""How the engine runs a recommender on one fold: it keeps the figures of every epoch, and checks every answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.errors import ContractError, LabError
from anomaly_lab.evaluation.recommender_folds import RecommenderFold
from anomaly_lab.evaluation.result import Result
from anomaly_lab.evaluation.stopwatch import Stopwatch
from anomaly_lab.recommenders.base import Lists, Pairs, Recommender, Training
from anomaly_lab.types import FloatArray, IntArray

Bar = Mapping[int, float]
"""What the validation figure of a trial must reach by an epoch to be gone on with."""


class EndedEarlyError(LabError):
    """A trial was not worth going on with.

    Parameters
    ----------
    validation : dict of int to float
        Its validation figure by epoch.
    """

    def __init__(self, validation: dict[int, float]) -> None:
        super().__init__(f"ended after {len(validation)} epochs, being behind half of the trials before it")
        self.validation = validation


@dataclass
class History:
    """What a model reports of its epochs.

    Parameters
    ----------
    bar : mapping of int to float
        Epoch to the validation figure that must have been reached by then; empty if every trial may end.
    rows : list of dict
        One an epoch: ``epoch``, ``loss``, and ``validation`` where there is one; the lower the better.
    """

    bar: Bar = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def validation(self) -> dict[int, float]:
        """The validation figure by epoch."""
        return {int(row["epoch"]): row["validation"] for row in self.rows if "validation" in row}

    def report(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Keep the figures of an epoch.

        Raises
        ------
        ContractError
            If one of them is not finite.
        EndedEarlyError
            If the best validation figure so far is worse than the bar.
        """
        for name, value in figures.items():
            if not isfinite(value):
                raise ContractError(
                    f"{name} must stay finite, found {value} in epoch {epoch}; lower the learning rate, or raise the "
                    "regularisation"
                )
        self.rows.append({"epoch": float(epoch), **{name: float(value) for name, value in figures.items()}})
        if min(self.validation.values(), default=-inf) > self.bar.get(epoch, inf):
            raise EndedEarlyError(self.validation)


@dataclass(frozen=True, eq=False)
class RecommendedFold:
    """What a recommender did on one fold.

    Parameters
    ----------
    name : str
        The fold's name.
    metrics : dict of str to float
        Those of the task, and the variance of the primary one.
    users : DataFrame
        See `anomaly_lab.evaluation.recommender_folds.Judged`.
    history : DataFrame
        One row an epoch; empty for models without epochs.
    sides : ndarray of shape (2, 2), optional
        Ratings below and from the mean on: rows as rated, columns as predicted.
    """

    name: str
    metrics: dict[str, float]
    users: pd.DataFrame
    history: pd.DataFrame
    sides: IntArray | None = None


class RecommenderResult(Result[RecommendedFold]):
    """What a recommender did on a question: seconds are those of ``fit`` and ``score``."""

    @property
    def validation(self) -> dict[int, float]:
        """Validation figure of the first fold by epoch; empty for models without epochs."""
        history = self.folds[0].history
        if "validation" not in history:
            return {}
        shown = history.dropna(subset="validation")
        return dict(zip(shown["epoch"].astype(int).tolist(), shown["validation"].tolist(), strict=True))


def recommend_fold(
    name: str,
    model: type[Recommender],
    params: Mapping[str, Any],
    fold: RecommenderFold,
    *,
    number: int,
    seed: int,
    bar: Bar | None = None,
) -> RecommenderResult:
    """Fit a recommender on one fold and judge its answers.

    Parameters
    ----------
    name : str
        The model's registered name.
    model : type
        Its class.
    params : mapping of str to Any
        Hyperparameters; those not given stand at their defaults.
    fold : RatingFold or RankingFold
        One of the question's.
    number : int
        Its number among them, from 0.
    seed : int
        The run's randomness: each fit draws from (seed, number of the fold).
    bar : mapping of int to float, optional
        Epoch to the validation figure that must have been reached by then.

    Raises
    ------
    ContractError
        If an answer is not one finite number for each thing asked, or a loss is not finite.
    EndedEarlyError
        If the trial is worse than the bar.
    """
    watch, history, fitted = Stopwatch(), History(bar or {}), model(**params)
    with threadpool_limits(1):  # one numeric thread a worker: the same sums in the same order wherever it runs
        with watch("fit"):
            training = Training(fold.known, fold.validation, history.report)
            fitted.fit(training, rng=np.random.default_rng([seed, number, 0]))
        with watch("score"):
            judged = fold.judge(lambda query: checked_answer(name, fitted, query))
    epochs = pd.DataFrame(history.rows)
    metrics = judged.metrics | ({"epochs": float(len(epochs))} if len(epochs) else {})
    found = RecommendedFold(fold.name, metrics, judged.users, epochs, judged.sides)
    return RecommenderResult(name, dict(params), seed, (found,), watch.seconds)


def checked_answer(name: str, fitted: Recommender, query: Pairs | Lists) -> FloatArray:
    """Return a model's answer if it is what was asked for.

    Raises
    ------
    ContractError
        If there is not exactly one finite number for each thing asked.
    """
    answer = np.asarray(fitted.score(query))
    wanted = (len(query.users), fitted.n_items_) if isinstance(query, Lists) else (len(query.users),)
    if answer.shape != wanted or answer.dtype.kind not in "fiu":
        raise ContractError(
            f"{name}.score must return numbers of shape {wanted}, found {answer.dtype} of shape {answer.shape}"
        )
    if not np.isfinite(answer).all():
        raise ContractError(f"{name}.score must return finite numbers, found {int((~np.isfinite(answer)).sum())} not")
    return answer.astype(float, copy=False)
