"""Checks that every registered recommender must pass: the recommenders' part of `anomaly_lab.testing`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.evaluation.recommending import History, checked_answer
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.interactions import Interactions, interactions
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.ratings.scale import LIKES, STARS, TEN, RatingScale
from anomaly_lab.recommenders.base import Lists, Pairs, Recommender, Training
from anomaly_lab.recommenders.saving import load_recommender, save_recommender
from anomaly_lab.registry import MODELS
from anomaly_lab.space import defaults, ends_of_ranges
from anomaly_lab.tasks.implicit_ranking import likings
from anomaly_lab.tasks.names import IMPLICIT_RANKING, RECOMMENDING
from anomaly_lab.types import AnyArray, FloatArray

N_USERS, N_ITEMS, PER_USER = 40, 30, 12
FEW_EPOCHS = 3
"""No rule hangs on how long a model is trained."""


def random_log(
    scale: RatingScale = STARS, seed: int = 0, *, ids: AnyArray | None = None, shuffled: bool = False
) -> RatingBatch:
    """Return a small log in which some users and items are liked more than others.

    Parameters
    ----------
    scale : RatingScale
        Of the ratings.
    seed : int
        Of all draws.
    ids : ndarray of shape (40,), optional
        What users are called.
    shuffled : bool
        Whether rows stand in another order.
    """
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(N_USERS), PER_USER)
    items = np.concatenate([rng.choice(N_ITEMS, PER_USER, replace=False) for _ in range(N_USERS)])
    liking = rng.normal(size=N_USERS)[users] + rng.normal(size=N_ITEMS)[items] + rng.normal(size=len(users))
    places = np.argsort(np.argsort(liking)) * scale.n_ordered // len(users)
    ratings = np.asarray(scale.levels)[: scale.n_ordered][places]
    rows = rng.permutation(len(users)) if shuffled else np.arange(len(users))
    names = users if ids is None else ids[users]
    return RatingBatch.from_rows(names[rows], items[rows], ratings[rows], scale=scale)


def known_from(name: str, batch: RatingBatch) -> Interactions:
    """Return what a recommender learns from a log: ratings, or likings of everyone, and the genres of most items."""
    known = interactions(batch, _genres(batch))
    if MODELS.load(name).task != IMPLICIT_RANKING:
        return known
    return likings(known, positive=float(np.median(known.values)))[0]


def _genres(batch: RatingBatch) -> ItemTable:
    number = np.asarray(batch.item_ids, dtype=np.int64)
    genres = tuple("abc")
    has_genre = (number[:, None] % 4) == np.arange(len(genres))  # a quarter of the items has none
    return ItemTable(batch.item_ids, np.array([f"Item {one}" for one in number]), genres, has_genre)


def fitted(name: str, known: Interactions, params: Mapping[str, Any] | None = None, *, seed: int = 0) -> Recommender:
    """Return a registered recommender fitted on some ratings, with few epochs where it has ``max_epochs``."""
    cls = MODELS.load(name)
    few = {"max_epochs": FEW_EPOCHS} if "max_epochs" in defaults(cls) else {}
    model: Recommender = cls(**few | dict(params or {}))
    with threadpool_limits(1):
        model.fit(Training(known, report=History().report), rng=np.random.default_rng(seed))
    return model


def answers(name: str, model: Recommender, known: Interactions) -> tuple[FloatArray, FloatArray]:
    """Return a fitted recommender's answers about every user: as lists, and as pairs with every item."""
    users = np.arange(known.n_users)
    pairs = Pairs(np.repeat(users, known.n_items), np.tile(np.arange(known.n_items), known.n_users))
    with threadpool_limits(1):
        lists = checked_answer(name, model, Lists(users))
        numbers = checked_answer(name, model, pairs)
    return lists, numbers.reshape(lists.shape)


def _demand(fulfilled: bool, message: str) -> None:
    if not fulfilled:
        raise AssertionError(message)


def _demand_same(found: FloatArray, expected: FloatArray, when: str) -> None:
    changed = int((found != expected).sum())
    _demand(changed == 0, f"answers must stay the same {when}, found {changed} of {expected.size} changed")


def check_task(name: str) -> None:
    """Name the task in the class attribute ``task``."""
    task = getattr(MODELS.load(name), "task", None)
    _demand(task in RECOMMENDING, f"the class attribute task must be one of {', '.join(RECOMMENDING)}, found {task!r}")


def check_answers(name: str) -> None:
    """Give one finite number a pair and a row of them a user, which say the same."""
    known = known_from(name, random_log())
    lists, pairs = answers(name, fitted(name, known), known)
    _demand(bool(np.allclose(lists, pairs, rtol=1e-4, atol=1e-5)), "rank and predict must say the same of a pair")


def check_seed(name: str) -> None:
    """Give the same answers, to the last bit, for the same seed."""
    known = known_from(name, random_log())
    first, again = (answers(name, fitted(name, known, seed=7), known)[0] for _ in range(2))
    _demand_same(again, first, "when fitted again with the same seed")


def check_parameters_kept(name: str) -> None:
    """Leave the parameters as they were set."""
    known = known_from(name, random_log())
    model = fitted(name, known)
    answers(name, model, known)
    set_to = defaults(type(model)) | ({"max_epochs": FEW_EPOCHS} if hasattr(model, "max_epochs") else {})
    changed = [key for key, value in set_to.items() if getattr(model, key) != value]
    _demand(not changed, f"fit and score must not change parameters, found {', '.join(changed)} changed")


def check_rows_and_names(name: str) -> None:
    """Say the same of a user and an item, to the last bit, however rows stand and whatever users are called."""
    ids = np.random.default_rng(3).permutation(10 * N_USERS)[:N_USERS]
    plain, renamed = random_log(), random_log(ids=ids, shuffled=True)
    lists = [
        answers(name, fitted(name, known), known)[0] for known in (known_from(name, one) for one in (plain, renamed))
    ]
    _demand_same(lists[1], lists[0], "when users are renamed and rows shuffled")


def check_strangers(name: str) -> None:
    """Have an answer about users and items that nothing is known of."""
    known = known_from(name, random_log())
    keep = (known.users >= 2) & (known.items >= 2)
    fewer = known.take(keep)
    answers(name, fitted(name, fewer), fewer)


def check_scales(name: str) -> None:
    """Understand stars, ten points, and likes."""
    for scale in (STARS, TEN, LIKES):
        known = known_from(name, random_log(scale))
        answers(name, fitted(name, known), known)


def check_ranges(name: str) -> None:
    """Accept both ends of every range, and every choice."""
    known = known_from(name, random_log())
    for key, value in ends_of_ranges(MODELS.load(name)):
        try:
            answers(name, fitted(name, known, {key: value}), known)
        except Exception as error:
            raise AssertionError(f"{key}={value}: {type(error).__name__}: {error}") from error


def check_saving(name: str) -> None:
    """Give the same answers, to the last bit, after saving and loading without pickling."""
    known = known_from(name, random_log())
    model = fitted(name, known)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        save_recommender(model, name, path)
        loaded = load_recommender(path)
    _demand_same(answers(name, loaded, known)[0], answers(name, model, known)[0], "when saved and loaded")


RECOMMENDER_CHECKS: tuple[Callable[[str], None], ...] = (
    check_task,
    check_answers,
    check_seed,
    check_parameters_kept,
    check_rows_and_names,
    check_strangers,
    check_scales,
    check_ranges,
    check_saving,
)
"""What a registered recommender must pass: functions of its name, each of which raises if the model does not."""
