"""PyOD's detectors by name: ``pyod:ECOD`` (extra ``pyod``)."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Mapping
from dataclasses import field, fields, make_dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import NoveltyDetector
from anomaly_lab.detectors.bounded import REFERENCE_ROWS, in_blocks
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.folds import Train
from anomaly_lab.types import Float32Array, FloatArray

SPACES: Mapping[str, tuple[type, BaseDistribution]] = {
    "n_neighbors": (int, IntDistribution(5, 100, log=True)),
    "n_estimators": (int, IntDistribution(50, 300, step=50)),
    "n_bins": (int, IntDistribution(5, 50)),
    "n_clusters": (int, IntDistribution(2, 20)),
    "nu": (float, FloatDistribution(0.01, 0.9)),
}
"""Ranges of what PyOD's detectors call by these names; ``contamination`` moves no score, only PyOD's own threshold."""

TRANSDUCTIVE = frozenset({"CD", "COF", "COPOD", "ECOD", "LMDD", "LOCI", "RGraph", "ROD", "SOD", "SOS"})
"""Those whose score of a user depends on who is scored beside it."""


class PyODDetector(NoveltyDetector):
    """A detector of PyOD on the feature matrix (Zhao, Nasrullah and Li, 2019).

    It is fitted on `REFERENCE_ROWS` users at most and scores everyone in blocks of as many: PyOD's methods compare
    those scored with those of the fit, some also with each other.
    """

    extra: ClassVar[str] = "pyod"
    kind: ClassVar[Literal["supervised", "unsupervised"]] = "unsupervised"
    reference_rows: ClassVar[int | None] = REFERENCE_ROWS
    exact_rows: ClassVar[int | None] = REFERENCE_ROWS
    transductive: ClassVar[bool] = False
    method: ClassVar[type]

    def fit_matrix(self, matrix: Float32Array, train: Train, *, seed: int) -> None:
        """Fit PyOD's detector."""
        super().fit_matrix(matrix, train, seed=seed)
        if self.transductive and len(matrix) > REFERENCE_ROWS:  # whoever is asked about may take several blocks
            self.form_ = "approximate"

    def build(self, seed: int, n_rows: int) -> Any:
        """Return PyOD's detector, seeded and on one thread where it can be."""
        takes = inspect.signature(self.method).parameters
        settings = {item.name: getattr(self, item.name) for item in fields(self) if item.name in SPACES}
        if "n_neighbors" in settings:
            settings["n_neighbors"] = min(settings["n_neighbors"], n_rows - 1)
        given = settings | {"random_state": seed, "n_jobs": 1}
        return self.method(**{key: value for key, value in given.items() if key in takes})

    def score_rows(self, rows: Float32Array) -> FloatArray:
        """Return how abnormal each row is; PyOD's sign is the lab's, higher is more anomalous."""
        return in_blocks(self.estimator_.decision_function, rows)


@cache
def known() -> dict[str, str]:
    """Return PyOD's detectors of feature matrices and their modules, read from its sources without importing them."""
    spec = importlib.util.find_spec("pyod")
    folders = spec.submodule_search_locations if spec is not None and spec.submodule_search_locations else []
    sources = sorted(path for folder in folders for path in (Path(folder) / "models").glob("[!_]*.py"))
    found = {}
    for path in sources:
        if not path.stem.startswith(("ts_", "pyg_")) and path.stem != "base":  # time series and graphs
            for name in re.findall(
                r"^class ([A-Z]\w*)\(BaseDetector\)", path.read_text(encoding="utf-8"), re.MULTILINE
            ):
                found[name] = f"pyod.models.{path.stem}"
    return found


def check_name(name: str) -> None:
    """Raise `ConfigError`, naming close ones, if PyOD has no detector of that name; nothing without the extra."""
    if known() and name not in known():
        near = get_close_matches(name.upper(), known(), n=3, cutoff=0.5) or sorted(known())
        raise ConfigError(f"PyOD has no detector '{name}'; did you mean {' or '.join(f'pyod:{one}' for one in near)}?")


@cache
def __getattr__(name: str) -> type:
    """Make the detector's class; being found here by name, it travels to other processes."""
    if name.startswith("_") or name not in known():
        raise AttributeError(f"PyOD has no detector '{name}'")
    method = getattr(import_module(known()[name]), name)
    usual = {key: one.default for key, one in inspect.signature(method).parameters.items()}
    tuned = [
        (key, Annotated[of, space], field(default=of(usual[key])))
        for key, (of, space) in SPACES.items()
        if isinstance(usual.get(key), int | float)
    ]
    about = {
        "__doc__": f"{name} of PyOD on the feature matrix (Zhao, Nasrullah and Li, 2019).",
        "__module__": __name__,
        "method": method,
        "transductive": name in TRANSDUCTIVE,
        "trusted_types": (f"{method.__module__}.{name}",),
    }
    return make_dataclass(name, tuned, bases=(PyODDetector,), namespace=about)
