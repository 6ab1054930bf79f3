"""Ablations: what `anomaly-lab ablate` recorded of a question, a table a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from anomaly_lab.evaluation.variants import WHOLE
from tracking.ablation import ROLE, side_by_side
from tracking.read import COMMON_PARAMS
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True, eq=False)
class RecordedAblation:
    """An ablation as it was recorded.

    Parameters
    ----------
    detector : str
        Whose parts.
    params : dict of str to str
        Hyperparameters of the whole model.
    table : DataFrame
        See `tracking.ablation.side_by_side`.
    """

    detector: str
    params: dict[str, str]
    table: pd.DataFrame


def read_ablations(store: Store, question: str) -> list[RecordedAblation]:
    """Return the ablations of a question, the latest of each detector.

    Parameters
    ----------
    store : Store
        The lab.
    question : str
        Its fingerprint.
    """
    by_detector: dict[str, list[Run]] = {}
    for run in _runs(store, question):
        by_detector.setdefault(run.data.tags[PREFIX + "detector"], []).append(run)
    found = [_read(store, detector, runs) for detector, runs in by_detector.items()]
    return [one for one in found if one is not None]


def _runs(store: Store, question: str) -> list[Run]:
    """Return the finished runs, the earliest first."""
    experiments = [one.experiment_id for one in store.client.search_experiments()]
    asked = f"tags.`{PREFIX}role` = '{ROLE}' and tags.`{PREFIX}question` = '{question}'"
    return list(
        store.client.search_runs(
            experiments,
            f"{asked} and attributes.status = 'FINISHED'",
            max_results=50_000,
            order_by=["attributes.end_time ASC"],
        )
    )


def _read(store: Store, detector: str, runs: Sequence[Run]) -> RecordedAblation | None:
    """Return the ablation of the whole model that was run last, None if no whole model was."""
    wholes = [run for run in runs if _variant(run) == WHOLE]
    if not wholes:
        return None
    whole = wholes[-1]
    variants: dict[tuple[str, str], dict[int, Run]] = {(WHOLE, WHOLE): {}}
    for run in sorted((run for run in runs if _belongs(run, whole)), key=lambda run: -_distance(run, whole)):
        part = run.data.tags[PREFIX + "part"], _variant(run)
        variants.setdefault(part, {})[int(run.data.tags[PREFIX + "seed"])] = run  # of two the nearer one, or the later
    order = {"whole": 0, "family": 1, "component": 2}
    rows = [(part, name, seeds) for (part, name), seeds in variants.items()]
    rows.sort(key=lambda row: (order.get(row[0], 3), row[1].endswith(" alone")))
    return RecordedAblation(detector, _params(whole), side_by_side(store, rows))


def _belongs(run: Run, whole: Run) -> bool:
    """Return whether a run is a variant of a whole model: other families, or other hyperparameters, never both."""
    if run.data.tags.get(PREFIX + "inductive") != whole.data.tags.get(PREFIX + "inductive"):
        return False
    part = run.data.tags[PREFIX + "part"]
    if part == "component":
        return _families(run) == _families(whole)
    within = set(_families(run)) <= set(_families(whole))
    return _params(run) == _params(whole) and (within if part == "family" else _families(run) == _families(whole))


def _distance(run: Run, whole: Run) -> int:
    """Return in how many hyperparameters two runs differ."""
    here, there = _params(run), _params(whole)
    return sum(here.get(name) != there.get(name) for name in here.keys() | there.keys())


def _variant(run: Run) -> str:
    return str(run.data.tags[PREFIX + "variant"])


def _families(run: Run) -> list[str]:
    return str(run.data.tags[PREFIX + "families"]).split(",")


def _params(run: Run) -> dict[str, str]:
    params: Mapping[str, str] = run.data.params
    return {name: value for name, value in params.items() if name not in COMMON_PARAMS}
