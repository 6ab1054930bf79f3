"""Checks that every registered model must pass; authors of plugins run the same.

>>> from anomaly_lab.testing import check_model
>>> check_model("mahalanobis")["passed"].all()
True
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any
from unittest import SkipTest

import numpy as np
import pandas as pd
from optuna.trial import create_trial

from anomaly_lab.detectors.trusted import trusted_types
from anomaly_lab.evaluation.class_scores import checked_class_scores
from anomaly_lab.evaluation.folds import HIDDEN, query_view, train_view
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_folds import answer, fold_of, plain_fold, plain_scores, scores_of, shared_features
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.scale import LIKES, LIKES_WATCHED, STARS
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import defaults, ends_of_ranges, search_space
from anomaly_lab.tasks.names import RECOMMENDING


class NotApplicable(SkipTest):
    """A check does not concern this model; pytest and unittest skip the test."""


def _demand(fulfilled: bool, message: str) -> None:
    if not fulfilled:
        raise AssertionError(message)


def _demand_same(found: pd.Series, expected: pd.Series, when: str) -> None:
    changed = int((found.to_numpy() != expected.to_numpy()).sum())
    _demand(changed == 0, f"scores must stay the same {when}, found {changed} of {len(found)} changed")


def check_summary(name: str) -> None:
    """Describe the model in one sentence, the docstring's first line."""
    summary = MODELS.get(name).summary
    sentence = len(summary) > 1 and not summary[0].islower() and summary.endswith(".") and len(summary) <= 120
    _demand(
        sentence,
        f"the docstring's first line must be a sentence of at most 120 characters with a full stop, found '{summary}'",
    )


def check_parameters(name: str) -> None:
    """Be a dataclass with a default for every field, within its range."""
    model: Any = MODELS.load(name)
    _demand(is_dataclass(model), f"{model} must be a dataclass")
    known, space = defaults(model), search_space(model)
    missing = [item.name for item in fields(model) if item.init and item.name not in known]
    _demand(not missing, f"every field must have a default, found none for {', '.join(missing)}")
    create_trial(params={key: known[key] for key in space}, distributions=space, value=0.0)  # raises outside a range


def check_task(name: str) -> None:
    """Name the task in the class attribute ``task``."""
    task = getattr(MODELS.load(name), "task", None)
    _demand(task == "fake-users", f"the class attribute task must be 'fake-users', found {task!r}")


def check_scores(name: str) -> None:
    """Give each query user one finite number."""
    plain_scores(name)


def check_seed(name: str) -> None:
    """Give the same scores, to the last bit, for the same seed."""
    again = scores_of(name, plain_fold(), seed=7)
    _demand_same(again, plain_scores(name, seed=7), "when fitted again with the same seed")


def check_parameters_kept(name: str) -> None:
    """Leave the parameters as they were set."""
    fold, store = plain_fold(), shared_features()
    model = MODELS.load(name)()
    set_to = {key: getattr(model, key) for key in defaults(type(model))}
    model.fit(train_view(fold, store), rng=np.random.default_rng(0))
    model.score(query_view(fold, store))
    changed = [key for key, value in set_to.items() if getattr(model, key) != value]
    _demand(not changed, f"fit and score must not change parameters, found {', '.join(changed)} changed")


def check_row_order(name: str) -> None:
    """Give each user the same score, to the last bit, in whatever order the rows stand."""
    rng = np.random.default_rng(2)
    rounds = [random_round(seed=seed) for seed in (0, 1)]
    shuffled = [one.read(order=rng.permutation(len(one.users))) for one in rounds]
    _demand_same(scores_of(name, fold_of(*shuffled)), plain_scores(name), "when rows are shuffled")


def check_user_names(name: str) -> None:
    """Give each user the same score, to the last bit, whatever users are called."""
    first, second = random_round(seed=0), random_round(seed=1)
    ids = np.random.default_rng(3).permutation(10 * len(first.fake))[: len(first.fake)]
    renamed = fold_of(first.read(ids=ids), second.read(ids=ids))
    _demand_same(scores_of(name, renamed)[ids], plain_scores(name), "when users are renamed")


def check_hidden_labels(name: str) -> None:
    """Give the same scores, to the last bit, whatever the hidden labels are."""
    first, second = random_round(seed=0), random_round(seed=1)
    flipped = fold_of(first.read(), replace(second, fake=1 - second.fake).read())
    _demand_same(scores_of(name, flipped), plain_scores(name), "when hidden labels are flipped")


def check_scales(name: str) -> None:
    """Understand stars, likes, and likes with a level for "seen, rating unknown"."""
    for scale in (STARS, LIKES, LIKES_WATCHED):
        try:
            plain_scores(name, scale)
        except Exception as error:
            raise AssertionError(f"scale {scale.name}: {_told(error)}") from error


def check_few_labels(name: str) -> None:
    """Learn from a single known generated user."""
    fold = plain_fold()
    visible = fold.visible.copy()
    visible[np.flatnonzero(visible == 1)[1:]] = HIDDEN
    scores_of(name, replace(fold, visible=visible, known_kinds=visible))


def check_single_ratings(name: str) -> None:
    """Score users with one rating, and learn from such users."""
    rounds = [random_round(seed=seed) for seed in (0, 1)]
    scores_of(name, fold_of(*(one.keep(one.users % 3 > 0).read() for one in rounds)))


def check_unseen(name: str) -> None:
    """Understand items and levels that no training user has."""
    first = random_round(seed=0)
    narrow = replace(first, items=first.items % 30, ratings=np.maximum(first.ratings, 1))
    scores_of(name, fold_of(narrow.read(), random_round(seed=1).read()))


def check_ranges(name: str) -> None:
    """Accept both ends of every range, and every choice."""
    fold, store = plain_fold(), shared_features()
    for key, value in ends_of_ranges(MODELS.load(name)):
        try:
            scores_of(name, fold, {key: value}, store=store)
        except Exception as error:
            raise AssertionError(f"{key}={value}: {_told(error)}") from error


def check_kinds(name: str) -> None:
    """Give each query user a number in [0, 1] a class, if it defines ``score_kinds``."""
    if not hasattr(MODELS.load(name), "score_kinds"):
        raise NotApplicable("class scores of a model without score_kinds come from its features")
    fold, store = fold_of(*(random_round(seed=k, n_kinds=3).read() for k in (0, 1))), FeatureStore(DEFAULT_FAMILIES)
    model = MODELS.load(name)()
    model.fit(train_view(fold, store), rng=np.random.default_rng(0))
    checked_class_scores(name, model.score_kinds(query_view(fold, store)), len(fold.query), 4)


def check_saving(name: str) -> None:
    """Give the same scores, to the last bit, after saving and loading with trusted types alone."""
    from skops.io import dumps, get_untrusted_types, loads

    fold, store = plain_fold(), shared_features()
    model = MODELS.load(name)()
    model.fit(train_view(fold, store), rng=np.random.default_rng(0))
    if not hasattr(model, "estimator_"):
        raise NotApplicable("a model without estimator_ is refitted, not saved")
    saved, trusted = dumps(model), trusted_types(type(model))
    unknown = sorted(set(get_untrusted_types(data=saved)) - set(trusted))
    _demand(not unknown, f"the class attribute trusted_types must name what is saved, found also {', '.join(unknown)}")
    loaded = loads(saved, trusted=trusted)
    _demand_same(answer(name, loaded, fold, store), answer(name, model, fold, store), "when saved and loaded")


CHECKS: tuple[Callable[[str], None], ...] = (
    check_summary,
    check_parameters,
    check_task,
    check_scores,
    check_seed,
    check_parameters_kept,
    check_row_order,
    check_user_names,
    check_hidden_labels,
    check_scales,
    check_few_labels,
    check_single_ratings,
    check_unseen,
    check_ranges,
    check_kinds,
    check_saving,
)
"""What a registered model must pass: functions of its name, each of which raises if the model does not."""


def check_model(name: str) -> pd.DataFrame:
    """Run every check on a registered model.

    Parameters
    ----------
    name : str
        Its registered name.

    Returns
    -------
    DataFrame
        One row a check: ``check`` (its name), ``passed``, and ``detail`` (what is demanded, or what was found).

    Raises
    ------
    ConfigError
        If no model has this name.
    PluginError
        If the model cannot be imported.
    """
    return pd.DataFrame([_outcome(check, name) for check in checks_of(name)], columns=["check", "passed", "detail"])


def checks_of(name: str) -> tuple[Callable[[str], None], ...]:
    """Return the checks of a registered model: a detector's, or a recommender's."""
    if getattr(MODELS.load(name), "task", None) not in RECOMMENDING:
        return CHECKS
    from anomaly_lab.recommender_checks import RECOMMENDER_CHECKS

    return (check_summary, check_parameters, *RECOMMENDER_CHECKS)


def _outcome(check: Callable[[str], None], name: str) -> tuple[str, bool, str]:
    label = check.__name__.removeprefix("check_").replace("_", "-")
    try:
        check(name)
    except NotApplicable as reason:
        return label, True, f"does not apply: {reason}"
    except Exception as error:  # whatever a model does wrong is a failed check
        return label, False, _told(error)
    return label, True, inspect.getdoc(check) or ""


def _told(error: Exception) -> str:
    """Return an error in one line."""
    message = str(error).partition("\n")[0]
    return message if isinstance(error, AssertionError) else f"{type(error).__name__}: {message}"
