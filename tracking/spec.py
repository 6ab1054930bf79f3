"""Spec: what identifies a run, and the tags that say so."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.question import Question
from tracking.store import PREFIX

RECORDED_PACKAGES = ("anomaly-lab", "numpy", "scikit-learn", "imbalanced-learn", "lightgbm", "optuna", "mlflow")


@dataclass(frozen=True)
class RunSpec:
    """What identifies a run.

    Parameters
    ----------
    question : Question
        What it answers.
    detector : str
        Registered name.
    kind : str
        ``supervised``, ``unsupervised``, ``recommender``, or ``recorded``.
    families : tuple of str
        Feature families it sees.
    origin : str
        Where the detector comes from: ``built-in`` or a distribution.
    baseline : bool
        Whether boards mark it as one.
    study : str
        Name of its study.
    home : str
        Machine and folder whose locks tell whether the run's writer is alive.
    inductive : bool
        Whether it uses nothing of the users asked about but their own ratings; boards say so.
    extra : mapping of str to str
        Further tags, without prefix.
    """

    question: Question
    detector: str
    kind: str
    families: tuple[str, ...]
    origin: str = "built-in"
    baseline: bool = False
    study: str = ""
    home: str = ""
    inductive: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)

    def tags(self, role: str) -> dict[str, str]:
        """Return the run's tags, ours prefixed."""
        ours = {
            "role": role,
            "ranked": str(role in ("trial", "recorded")).lower(),
            "detector": self.detector,
            "kind": self.kind,
            "task": self.question.task.name,
            "protocol": self.question.protocol,
            "question": self.question.fingerprint,
            "question_title": self.question.title,
            "rounds": json.dumps([_round_facts(one) for one in self.question.rounds]),
            "scale": _scale_tag(self.question),
            "families": ",".join(self.families),
            "inductive": str(self.inductive).lower(),
            "origin": self.origin,
            "baseline": str(self.baseline).lower(),
            "study": self.study,
            "home": self.home,
            "git_commit": _git_commit(),
            "versions": versions(),
            **_fake_share(self.question),
            **({"note": "inductive"} if self.inductive else {}),
            **self.extra,
        }
        return {PREFIX + key: value for key, value in ours.items()} | source_tags()


def _scale_tag(question: Question) -> str:
    scale = question.rounds[0].ratings.scale
    levels = [f"{level:g}" for level in scale.levels]
    if scale.unknown is not None:
        levels[-1] += "?"
    return ",".join(levels)


def _round_facts(one: Round) -> dict[str, str | None]:
    """Return what tells a round again, wherever its file is by then."""
    return {
        "name": one.name,
        "path": str(Path(one.path).absolute()) if one.path else None,
        "ratings": one.ratings.digest,
        "labels": one.labels.digest(one.ratings) if one.labels else None,
    }


def _fake_share(question: Question) -> dict[str, str]:
    """Return the share of generated users, where they are labelled: every round counts the same."""
    shares = [one.labels.fake.mean() for one in question.rounds if one.labels is not None]
    return {"fake_share": f"{float(np.mean(shares)):.6f}"} if shares else {}


@cache
def _git_commit() -> str:
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


@cache
def versions() -> str:
    """Return the versions of Python and of `RECORDED_PACKAGES` as JSON."""
    return json.dumps({"python": platform.python_version(), **{name: version(name) for name in RECORDED_PACKAGES}})


@cache
def source_tags() -> dict[str, str]:
    """Return MLflow's own tags of who ran what, which its UI shows as *Created by* and *Source*."""
    tags = {"mlflow.source.name": "anomaly-lab", "mlflow.source.type": "LOCAL"}
    if _git_commit() != "unknown":
        tags["mlflow.source.git.commit"] = _git_commit()
    with suppress(KeyError, OSError):  # a container may run under a number without a name
        tags["mlflow.user"] = getpass.getuser()
    return tags
