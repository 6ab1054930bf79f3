"""Samplers against imbalance, by name; they live in imbalanced-learn pipelines and act in `fit` only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anomaly_lab.errors import ConfigError
from anomaly_lab.types import IntArray

SAMPLERS = ("none", "smote", "borderline-smote", "adasyn", "smote-tomek", "random-over", "random-under")
NEIGHBOURS = 5
DANGER_NEIGHBOURS = 10


def make_sampler(name: str, labels: IntArray, seed: int) -> Any:
    """Return a fresh sampler, None for ``none`` (classes are then balanced by weights).

    Parameters
    ----------
    name : str
        One of `SAMPLERS`: SMOTE (Chawla et al., 2002), Borderline-SMOTE (Han et al., 2005), ADASYN (He et al., 2008),
        SMOTE and Tomek links (Batista et al., 2004), or random over- and under-sampling.
    labels : ndarray of shape (n_users,)
        The labels it will balance. Neighbours are limited to the minority's size; a minority of one has none to
        interpolate with and is repeated.
    seed : int
        Its randomness.
    """
    from imblearn.combine import SMOTETomek  # slow to import, and one-class methods do without
    from imblearn.over_sampling import SMOTE, BorderlineSMOTE, RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    from anomaly_lab.detectors.adaptive_sampler import AdaptiveSampler

    minority = int(min(labels.sum(), len(labels) - labels.sum()))
    k, m = min(NEIGHBOURS, minority - 1), min(DANGER_NEIGHBOURS, len(labels) - 1)
    makers: dict[str, Callable[[], Any]] = {
        "none": lambda: None,
        "smote": lambda: SMOTE(k_neighbors=k, random_state=seed),
        "borderline-smote": lambda: BorderlineSMOTE(k_neighbors=k, m_neighbors=m, random_state=seed),
        "adasyn": lambda: AdaptiveSampler(n_neighbors=k, random_state=seed),
        "smote-tomek": lambda: SMOTETomek(smote=SMOTE(k_neighbors=k, random_state=seed), random_state=seed),
        "random-over": lambda: RandomOverSampler(random_state=seed),
        "random-under": lambda: RandomUnderSampler(random_state=seed),
    }
    if name not in makers:
        raise ConfigError(f"sampler must be one of {', '.join(SAMPLERS)}, found '{name}'")
    if minority < 2 and name not in ("none", "random-under"):
        name = "random-over"
    return makers[name]()
