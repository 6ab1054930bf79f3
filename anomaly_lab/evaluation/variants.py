"""Variants: what a model is without one of its parts, and what each part is alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly_lab.provenance import code_of
from anomaly_lab.registry import FEATURES
from anomaly_lab.space import defaults, parse_params

WHOLE = "whole"


@dataclass(frozen=True)
class Variant:
    """A model with some of its parts.

    Parameters
    ----------
    part : {"whole", "family", "component"}
        What sort of part is left out or alone.
    name : str
        ``without X`` or ``X alone``; a component's as the model names it.
    families : tuple of str
        Feature families that are switched on.
    params : mapping of str to Any
        Hyperparameters.
    """

    part: str
    name: str
    families: tuple[str, ...]
    params: Mapping[str, Any]

    def key(self, model: type) -> str:
        """Return what tells this variant again: hyperparameters, families, and the code of model and families."""
        settings = sorted(self.params.items())
        code = [code_of(one) for one in (model, *map(FEATURES.load, self.families))]
        return hashlib.sha256(repr((settings, model.__qualname__, self.families, code)).encode()).hexdigest()[:16]


def variants(name: str, model: type, params: Mapping[str, Any], families: Sequence[str]) -> list[Variant]:
    """Return a model whole, without each family, with each alone, and as its components say.

    A model that sees one family only has no variants by family. A class attribute ``components`` names hyperparameters
    by which a part of the model is left out or alone; a component that sets what `params` set is left out.

    Parameters
    ----------
    name : str
        The model's registered name, for messages.
    model : type
        Its class.
    params : mapping of str to Any
        Hyperparameters of every variant; others stand at their defaults.
    families : sequence of str
        The feature families it sees as a whole.

    Raises
    ------
    ConfigError
        If a component sets a hyperparameter that does not exist, or to what it cannot be.
    """
    whole = Variant(WHOLE, WHOLE, tuple(families), {**defaults(model), **params})
    return [whole, *_by_family(whole), *_by_component(name, model, whole, params)]


def _by_family(whole: Variant) -> Iterator[Variant]:
    if len(whole.families) < 2:
        return
    for family in whole.families:
        others = tuple(other for other in whole.families if other != family)
        yield Variant("family", f"without {family}", others, whole.params)
    for family in whole.families:
        yield Variant("family", f"{family} alone", (family,), whole.params)


def _by_component(name: str, model: type, whole: Variant, given: Collection[str]) -> Iterator[Variant]:
    components: Mapping[str, Mapping[str, Any]] = getattr(model, "components", {})
    for component, settings in components.items():
        typed = {key: str(value) for key, value in settings.items()}
        parsed = parse_params(model, typed, f"{name}, component '{component}'")
        if parsed.keys().isdisjoint(given):
            yield Variant("component", component, whole.families, {**whole.params, **parsed})
