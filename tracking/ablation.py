"""Ablation: every variant and seed of a model is a run of its own, and the table is read back from these runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

import pandas as pd

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.variants import Variant
from tracking.paired import difference_se
from tracking.record import Recorder
from tracking.spec import RunSpec
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

ROLE = "ablation"
"""No role of ranked runs: a model without one of its parts is no contestant."""
STAGES = ("features", "fit", "score", "threshold")
SECONDS = tuple(f"seconds_{stage}" for stage in STAGES)
COLUMNS = ("part", "variant", "seeds", "auc", "auc_sd", "auc_se", "difference", "difference_se", "f1", *SECONDS)


@dataclass(frozen=True)
class Ablation:
    """Writes and reads the runs of one model's variants on one question.

    Parameters
    ----------
    recorder : Recorder
        Writes runs of the question.
    spec : RunSpec
        What the model's runs have in common; its families are those of the whole model.
    """

    recorder: Recorder
    spec: RunSpec

    def record(self, variant: Variant, key: str, result: RunResult, *, started: float) -> str:
        """Write the run of a variant and return its id.

        Parameters
        ----------
        variant : Variant
            Which.
        key : str
            What tells it again (see `Variant.key`).
        result : RunResult
            What it did.
        started : float
            Seconds since 1970.
        """
        spec = replace(self.spec, families=variant.families)
        name, tags = self._named(spec, variant, key, ROLE)
        return self.recorder.write(spec, result, name=name, tags=tags, params=variant.params, started=started)

    def record_failure(self, variant: Variant, key: str, error: str, *, seed: int, started: float) -> str:
        """Write the run of a variant that failed and return its id; it is run again the next time."""
        spec = replace(self.spec, families=variant.families)
        name, tags = self._named(spec, variant, key, "failed")
        tags |= {PREFIX + "seed": str(seed)}
        return self.recorder.write_failure(error, name=name, tags=tags, params=variant.params, started=started)

    def finished(self) -> dict[tuple[str, int], Run]:
        """Return the finished runs by the key of their variant and their seed, the latest of equal ones."""
        found = self.recorder.store.client.search_runs(
            [self.recorder.experiment_id],
            f"tags.`{PREFIX}role` = '{ROLE}' and tags.`{PREFIX}study` = '{self.spec.study}' "
            "and attributes.status = 'FINISHED'",
            max_results=50_000,
            order_by=["attributes.end_time ASC"],
        )
        return {(run.data.tags[PREFIX + "variant_key"], int(run.data.tags[PREFIX + "seed"])): run for run in found}

    def table(self, variants: Sequence[tuple[str, Variant]], seeds: Sequence[int]) -> pd.DataFrame:
        """Return the variants that finished, side by side.

        Parameters
        ----------
        variants : sequence of (str, Variant)
            Each behind its key, in the order of the rows; the first is the whole model. Variants that differ by name
            only share a key and its runs.
        seeds : sequence of int
            The seeds to read.

        Returns
        -------
        DataFrame
            See `side_by_side`.
        """
        runs = self.finished()
        parts = [(one, {seed: runs[key, seed] for seed in seeds if (key, seed) in runs}) for key, one in variants]
        return side_by_side(self.recorder.store, [(one.part, one.name, found) for one, found in parts])

    def _named(self, spec: RunSpec, variant: Variant, key: str, role: str) -> tuple[str, dict[str, str]]:
        ours = {"part": variant.part, "variant": variant.name, "variant_key": key}
        tags = spec.tags(role) | {PREFIX + name: value for name, value in ours.items()}
        return f"{spec.detector}: {variant.name}", tags


def side_by_side(store: Store, parts: Sequence[tuple[str, str, Mapping[int, Run]]]) -> pd.DataFrame:
    """Return the runs of variants as a table.

    Parameters
    ----------
    store : Store
        Where they are.
    parts : sequence of (str, str, mapping of int to Run)
        Part, name and finished runs by seed of each variant, in the order of the rows; the first is the whole model.

    Returns
    -------
    DataFrame
        ``part``, ``variant``, ``seeds`` (how many of them finished), ``auc`` (mean), ``auc_sd`` (standard deviation
        over seeds), ``auc_se`` (standard error of one seed's AUC by DeLong, its mean), ``difference`` (mean difference
        in AUC to the whole at the same seed), ``difference_se`` (its standard error at one seed, both AUCs being of the
        same users), ``f1``, and the seconds of each stage of one run. Variants without a run are left out.
    """
    whole = parts[0][2]
    rows = []
    for part, name, runs in parts:
        measured = pd.DataFrame([_measured(store, run, whole.get(seed)) for seed, run in runs.items()])
        if len(measured):
            about = {"part": part, "variant": name, "seeds": len(measured), "auc_sd": measured["auc"].std()}
            rows.append(about | measured.mean().to_dict())
    return pd.DataFrame(rows, columns=COLUMNS)


def _measured(store: Store, run: Run, whole: Run | None) -> dict[str, float]:
    """Return what one run measured, and how far it is from the whole model's at the same seed."""
    found = {name: run.data.metrics.get(name, nan) for name in ("auc", "auc_se", "f1", *SECONDS)}
    if whole is None:
        return found | {"difference": nan, "difference_se": nan}
    difference = found["auc"] - whole.data.metrics["auc"]
    return found | {"difference": difference, "difference_se": difference_se(store, run, whole)}
