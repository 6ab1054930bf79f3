"""Best and worst: the lists of the users whom a recommender serves best and worst, beside what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.recommender_folds import RankingFold
from anomaly_lab.evaluation.recommending import checked_answer
from anomaly_lab.ratings.labels import Round
from anomaly_lab.recommenders.base import Lists, Recommender, Training
from anomaly_lab.recommenders.popularity import PopularityRecommender
from anomaly_lab.tasks.implicit_ranking import ImplicitRanking
from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray
from experiments.items import Catalogue
from experiments.recommend import recommender_class


@dataclass(frozen=True, eq=False)
class Shown:
    """A user's list beside what was held out.

    Parameters
    ----------
    which : str
        ``best`` or ``worst``.
    user : object
        The user's id.
    auc : float
        The user's area under the ROC curve.
    held_out : int
        Likings that were held out.
    table : DataFrame
        The list, and whether each item is ``held out`` and ``popular``.
    """

    which: str
    user: Any
    auc: float
    held_out: int
    table: pd.DataFrame


def best_and_worst(log: Round, name: str, params: Mapping[str, Any], task: ImplicitRanking, n: int) -> list[Shown]:
    """Return the lists of the users whom a recommender serves best and worst on the first draw of held-out likings.

    Parameters
    ----------
    log : Round
        The ratings.
    name : str
        Registered name.
    params : mapping of str to Any
        Hyperparameters.
    task : ImplicitRanking
        How likings are held out.
    n : int
        Length of the lists.

    Raises
    ------
    ConfigError
        If the recommender answers another task.
    """
    model = recommender_class(name)
    if model.task != ImplicitRanking.name:
        raise ConfigError(
            f"--held-out is of recommenders that rank likings, found '{name}' ({model.task}); try --model ease"
        )
    fold = next(task.folds([log], "held-out"))
    fitted, popular = model(**params), PopularityRecommender()
    for one in (fitted, popular):
        one.fit(Training(fold.known), rng=np.random.default_rng([0, 0, 0]))
    aucs = fold.judge(partial(checked_answer, name, fitted)).users["auc"].to_numpy()
    places = {"best": int(aucs.argmax()), "worst": int(aucs.argmin())}
    lists = (fitted, popular)
    return [_shown(log, fold, lists, which, place, float(aucs[place]), n) for which, place in places.items()]


def _shown(
    log: Round,
    fold: RankingFold,
    models: tuple[Recommender, Recommender],
    which: str,
    place: int,
    auc: float,
    n: int,
) -> Shown:
    seen = fold.known.matrix[[place]].indices
    lists = [_first(one.score(Lists(np.array([place])))[0], seen, n) for one in models]
    rows = Catalogue.of(log).rows_of_ids(fold.item_ids[lists[0]])
    rows.insert(0, "rank", range(1, len(rows) + 1))
    marks: dict[str, BoolArray] = {
        "held out": np.isin(lists[0], fold.asked[place]),
        "popular": np.isin(lists[0], lists[1]),
    }
    return Shown(which, fold.user_ids[place], auc, fold.asked.shape[1], rows.assign(**marks))


def _first(scores: FloatArray, seen: AnyArray, n: int) -> IntArray:
    """Return the first items of a list, without those seen."""
    left = np.array(scores, dtype=float)
    left[seen] = -np.inf
    return np.argsort(-left, kind="stable")[:n]
