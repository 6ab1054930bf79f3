"""Samplers against imbalance, by name; they live in imbalanced-learn pipelines and act in `fit` only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anomaly_lab.detectors.bounded import REFERENCE_ROWS, BoundedNeighbours
from anomaly_lab.errors import ConfigError
from anomaly_lab.types import IntArray

SAMPLERS = ("none", "smote", "borderline-smote", "adasyn", "smote-tomek", "random-over", "random-under")
SEARCHING = ("smote", "borderline-smote", "adasyn", "smote-tomek")
"""Those that look for neighbours, among a sample where users are many."""
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
        interpolate with and is repeated. Neighbours are sought among `REFERENCE_ROWS` rows at most; with more users
        than that, Tomek links, which would compare everyone with everyone, are left in.
    seed : int
        Its randomness.
    """
    from imblearn.combine import SMOTETomek  # slow to import, and one-class methods do without
    from imblearn.over_sampling import SMOTE, BorderlineSMOTE, RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    from anomaly_lab.detectors.adaptive_sampler import AdaptiveSampler

    minority = int(min(labels.sum(), len(labels) - labels.sum()))
    k, m = min(NEIGHBOURS, minority - 1), min(DANGER_NEIGHBOURS, len(labels) - 1)
    near, near_all, danger = _search(k, minority), _search(k, len(labels)), _search(m, len(labels))
    if name == "smote-tomek" and len(labels) > REFERENCE_ROWS:
        name = "smote"
    makers: dict[str, Callable[[], Any]] = {
        "none": lambda: None,
        "smote": lambda: SMOTE(k_neighbors=near, random_state=seed),
        "borderline-smote": lambda: BorderlineSMOTE(k_neighbors=near, m_neighbors=danger, random_state=seed),
        "adasyn": lambda: AdaptiveSampler(n_neighbors=near_all, random_state=seed),
        "smote-tomek": lambda: SMOTETomek(smote=SMOTE(k_neighbors=near, random_state=seed), random_state=seed),
        "random-over": lambda: RandomOverSampler(random_state=seed),
        "random-under": lambda: RandomUnderSampler(random_state=seed),
    }
    if name not in makers:
        raise ConfigError(f"sampler must be one of {', '.join(SAMPLERS)}, found '{name}'")
    if minority < 2 and name not in ("none", "random-under"):
        name = "random-over"
    return makers[name]()


def _search(n_neighbors: int, n_rows: int) -> Any:
    """Return how imbalanced-learn is to look for neighbours among so many rows: a number, or a bounded search."""
    return n_neighbors if n_rows <= REFERENCE_ROWS else BoundedNeighbours(n_neighbors=n_neighbors + 1)
