"""Choose: the detectors that a tune runs, each fit to be tuned, and the feature families they see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anomaly_lab.errors import ConfigError, PluginError
from anomaly_lab.evaluation.inductive import check_inductive
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.registry import FEATURES, MODELS
from anomaly_lab.space import check_params, defaults, search_space


def choose_detectors(wanted: Sequence[str] | None, task: str) -> tuple[dict[str, type], list[str]]:
    """Return the detectors to tune by name, and a line for each installed one that cannot be tuned.

    A detector that was asked for by name must be fit to be tuned; among "all of them" a broken plugin is reported and
    left out.

    Parameters
    ----------
    wanted : sequence of str or None
        Registered names; None or empty for every detector of the task whose class attribute ``tuned_by_default`` does
        not say otherwise.
    task : str
        What they must answer.

    Raises
    ------
    ConfigError
        If a wanted name is unknown or answers another task.
    PluginError
        If a wanted one cannot be loaded, or its hyperparameters cannot be read.
    """
    if wanted:
        return {name: _wanted(name, task) for name in dict.fromkeys(wanted)}, []
    chosen, broken = {}, []
    for name, entry in MODELS.entries().items():
        try:
            model = entry.load()
            if getattr(model, "task", None) == task and getattr(model, "tuned_by_default", True):
                _check_hyperparameters(name, model)
                chosen[name] = model
        except PluginError as error:
            broken.append(f"left out: {error}")
    return chosen, broken


def check_families(families: Sequence[str] | None) -> None:
    """Raise `ConfigError` if families are named, but none, or one that does not exist."""
    if families is None:
        return
    if not families:
        raise ConfigError("--families must name at least one feature family, found none")
    for family in families:
        FEATURES.load(family)


def check_seen(name: str, model: type, features: FeatureStore) -> tuple[str, ...]:
    """Return the families that a detector sees.

    Raises
    ------
    ConfigError
        If it names families of its own, none of which is switched on, or cannot be inductive where features are.
    """
    check_inductive(name, model, inductive=features.inductive)
    try:
        return features.seen(getattr(model, "families", None))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def choose_seeing(
    models: Mapping[str, type], features: FeatureStore, *, wanted: bool
) -> tuple[dict[str, type], list[str]]:
    """Return the detectors that can do with these features, and a line for each of the others.

    Parameters
    ----------
    models : mapping of str to type
        Detectors by registered name.
    features : FeatureStore
        Says which families are switched on, and whether they are inductive.
    wanted : bool
        Whether they were asked for by name: then each must be able to.

    Raises
    ------
    ConfigError
        If a detector that was asked for by name cannot.
    """
    seeing, blind = {}, []
    for name, model in models.items():
        try:
            check_seen(name, model, features)
        except ConfigError as error:
            if wanted:
                raise
            blind.append(f"left out: {error}")
        else:
            seeing[name] = model
    return seeing, blind


def _wanted(name: str, task: str) -> type:
    model: type = MODELS.load(name)
    answers = getattr(model, "task", None)
    if answers != task:
        raise ConfigError(f"'{name}' must answer task {task} to be tuned here, found {answers}")
    _check_hyperparameters(name, model)
    return model


def _check_hyperparameters(name: str, model: type) -> None:
    where = f"'{name}' ({MODELS.get(name).target}) cannot be tuned"
    try:
        space, known = search_space(model), defaults(model)
    except Exception as error:  # a plugin's annotations may fail in any way while they are read
        raise PluginError(
            f"{where}: it must be a dataclass whose annotations can be read, found {type(error).__name__}: {error}"
        ) from error
    for key in space:
        if key not in known:
            raise PluginError(f"{where}: '{key}' has a search range and must have a default, found none")
    try:
        check_params(model, {key: known[key] for key in space}, name)
    except ConfigError as error:
        raise PluginError(f"{where}: a default must lie in its own range, found: {error}") from error
