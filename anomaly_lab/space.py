"""Search spaces: each hyperparameter's type, default and range stand on one line of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from anomaly_lab.errors import ConfigError


def search_space(model: type) -> dict[str, BaseDistribution]:
    """Return the distribution of every tunable field of a model.

    Parameters
    ----------
    model : type
        A dataclass whose fields may be annotated ``Annotated[float, FloatDistribution(...)]``.
    """
    hints = get_type_hints(model, include_extras=True)
    space = {}
    for item in fields(model):
        for extra in getattr(hints[item.name], "__metadata__", ()):
            if isinstance(extra, BaseDistribution):
                space[item.name] = extra
    return space


def ends_of_ranges(model: type) -> Iterator[tuple[str, Any]]:
    """Yield both ends of every range of a model's hyperparameters, and every choice."""
    for key, distribution in search_space(model).items():
        if isinstance(distribution, CategoricalDistribution):
            yield from ((key, choice) for choice in distribution.choices)
        elif isinstance(distribution, FloatDistribution | IntDistribution):
            yield from ((key, value) for value in (distribution.low, distribution.high))


def defaults(model: type) -> dict[str, Any]:
    """Return the default of every field of a model that has one."""
    known = {}
    for item in fields(model):
        if item.init and item.default is not MISSING:
            known[item.name] = item.default
        elif item.init and item.default_factory is not MISSING:
            known[item.name] = item.default_factory()
    return known


def parse_params(model: type, settings: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return hyperparameters given as text, each parsed by its field's range.

    Parameters
    ----------
    model : type
        The model's class.
    settings : mapping of str to str
        Field names and values as typed.
    name : str
        The model's registered name, for messages.

    Raises
    ------
    ConfigError
        If a field does not exist or its value is of the wrong type or outside its range.
    """
    space, known = search_space(model), defaults(model)
    parsed: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in known:
            raise ConfigError(f"{name} has no parameter '{key}'; it has {', '.join(known) or 'none'}")
        parsed[key] = _parse(text, space.get(key), known[key], f"{name}: {key}")
    return parsed


def check_params(model: type, params: Mapping[str, Any], name: str) -> None:
    """Raise `ConfigError` if a hyperparameter does not exist or lies outside its range."""
    parse_params(model, {key: str(value) for key, value in params.items()}, name)


def _parse(text: str, distribution: BaseDistribution | None, default: Any, where: str) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        choices = {str(choice): choice for choice in distribution.choices}
        if text not in choices:
            raise ConfigError(f"{where} must be one of {', '.join(choices)}, found {text}")
        return choices[text]
    kind = float if isinstance(distribution, FloatDistribution) else type(default)
    kind = int if isinstance(distribution, IntDistribution) else kind
    if kind is tuple:  # "a,b" as typed, "('a', 'b')" as recorded
        return tuple(part for one in text.split(",") if (part := one.strip(" ()'\"")))
    try:
        value = {"True": True, "False": False}[text] if kind is bool else kind(text)
    except (ValueError, KeyError):
        raise ConfigError(f"{where} must be of type {kind.__name__}, found {text}") from None
    if isinstance(distribution, FloatDistribution | IntDistribution) and not (
        distribution.low <= value <= distribution.high
    ):
        raise ConfigError(f"{where} must lie in [{distribution.low}, {distribution.high}], found {value}")
    return value
