"""Ablation: every variant and seed of a model is a run of its own, and the table is read back from these runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.variants import Variant
from tracking.record import Recorder
from tracking.spec import RunSpec
from tracking.store import PREFIX

if TYPE_CHECKING:
    from mlflow.entities import Run

ROLE = "ablation"
"""No role of ranked runs: a model without one of its parts is no contestant."""
STAGES = ("features", "fit", "score", "threshold")
SECONDS = tuple(f"seconds_{stage}" for stage in STAGES)
COLUMNS = ("part", "variant", "seeds", "auc", "auc_sd", "auc_se", "difference", "f1", *SECONDS)


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
            ``part``, ``variant``, ``seeds`` (how many of them finished), ``auc`` (mean), ``auc_sd`` (standard deviation
            over seeds), ``auc_se`` (standard error of one seed's AUC by DeLong, its mean), ``difference`` (mean
            difference in AUC to the whole at the same seed), ``f1``, and the seconds of each stage of one run.
        """
        runs = self.finished()
        by_key = {key: _metrics([runs[key, seed] for seed in seeds if (key, seed) in runs]) for key, _ in variants}
        whole = by_key[variants[0][0]]["auc"]
        rows = [
            {"part": one.part, "variant": one.name} | _row(by_key[key], whole)
            for key, one in variants
            if len(by_key[key])
        ]
        return pd.DataFrame(rows, columns=COLUMNS)

    def _named(self, spec: RunSpec, variant: Variant, key: str, role: str) -> tuple[str, dict[str, str]]:
        ours = {"part": variant.part, "variant": variant.name, "variant_key": key}
        tags = spec.tags(role) | {PREFIX + name: value for name, value in ours.items()}
        return f"{spec.detector}: {variant.name}", tags


def _metrics(runs: Sequence[Run]) -> pd.DataFrame:
    """Return what runs of one variant measured, one row a seed."""
    seeds = [int(run.data.tags[PREFIX + "seed"]) for run in runs]
    return pd.DataFrame([run.data.metrics for run in runs], index=seeds).reindex(
        columns=["auc", "auc_se", "f1", *SECONDS]
    )


def _row(metrics: pd.DataFrame, whole: pd.Series) -> dict[str, Any]:
    means = metrics.mean()
    return {
        "seeds": len(metrics),
        "auc": means["auc"],
        "auc_sd": metrics["auc"].std(ddof=1),
        "auc_se": means["auc_se"],
        "difference": (metrics["auc"] - whole).mean(),
        "f1": means["f1"],
        **{name: means[name] for name in SECONDS},
    }
