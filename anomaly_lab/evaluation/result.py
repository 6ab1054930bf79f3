"""Result: what a run leaves, whatever its task: figures by fold, their means, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from anomaly_lab.evaluation.metrics import mean_interval

VARIANCE = "_variance"


class ScoredFold(Protocol):
    """A fold that was answered and judged."""

    @property
    def name(self) -> str:
        """The fold's name."""

    @property
    def metrics(self) -> dict[str, float]:
        """Its figures; ``NAME_variance`` is the variance of figure NAME."""


FoldT_co = TypeVar("FoldT_co", bound=ScoredFold, covariant=True)


@dataclass(frozen=True, eq=False)
class Result(Generic[FoldT_co]):
    """What a model did on a question.

    Parameters
    ----------
    model : str
        The model's registered name.
    params : dict of str to Any
        Its hyperparameters.
    seed : int
        Seed of the run's randomness.
    folds : tuple
        One a fold.
    seconds : dict of str to float
        Time spent per stage.
    form : str
        ``exact`` or ``approximate`` of a model that has both, by the number of users; empty of one that has not.
        Folds may differ: one that was approximate makes all of them so.
    """

    model: str
    params: dict[str, Any]
    seed: int
    folds: tuple[FoldT_co, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    form: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """Means over folds, of figures with a variance also ``_low``, ``_high`` (95 %) and ``_se``; seconds in all."""
        names = [name for name in self.folds[0].metrics if all(name in fold.metrics for fold in self.folds)]
        figures = {name: np.array([fold.metrics[name] for fold in self.folds]) for name in names}
        means = {name: float(values.mean()) for name, values in figures.items() if not name.endswith(VARIANCE)}
        for name in [one.removesuffix(VARIANCE) for one in names if one.endswith(VARIANCE)]:
            variances = figures[name + VARIANCE]
            means[f"{name}_low"], means[f"{name}_high"] = mean_interval(figures[name], variances, bounds=_bounds(name))
            means[f"{name}_se"] = float(np.sqrt(variances.sum()) / len(variances))
        means["seconds"] = sum(self.seconds.values())
        return means

    @classmethod
    def together(cls, results: Sequence[Self]) -> Self:
        """Return one result of the folds of several, in their order, seconds added up by stage.

        Parameters
        ----------
        results : sequence of Result
            One or more, of one model with one set of hyperparameters and one seed.
        """
        stages = dict.fromkeys(stage for one in results for stage in one.seconds)
        seconds = {stage: sum(one.seconds.get(stage, 0.0) for one in results) for stage in stages}
        folds = tuple(fold for one in results for fold in one.folds)
        form = min(one.form for one in results)  # "" is every fold's or none's, "approximate" comes before "exact"
        return replace(results[0], folds=folds, seconds=seconds, form=form)


def _bounds(name: str) -> tuple[float, float]:
    return (0.0, 1.0) if name == "auc" else (0.0, np.inf)
