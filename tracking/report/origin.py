"""Origin: the commands, versions and digests that reproduce what the report shows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

import pandas as pd

from anomaly_lab.errors import LabError
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from tracking.manifest import file_digest
from tracking.read import COMMON_PARAMS, artifacts
from tracking.report.blocks import Block, Column, Commands, Section, Table, Text
from tracking.report.recorded import Recorded, shown_path
from tracking.spec import versions

SEEDS = 100_003
"""Distance between the seeds of the trials of two studies; see `experiments.driver`."""

FACTS = (Column("what", "what"), Column("value", "value", prose=True))
ROUNDS = (
    Column("name", "round"),
    Column("file", "file", prose=True, optional=True),
    Column("ratings", "digest of the ratings", prose=True),
    Column("labels", "digest of the labels", prose=True),
)
VERSIONS = (Column("package", "package"), Column("then", "when it was run"), Column("now", "when reported"))


def origin_section(lab: Recorded, agreement: Mapping[str, float]) -> Section:
    """Return the section: how to get the same figures again, and whether that was tried.

    Parameters
    ----------
    lab : Recorded
        What is recorded.
    agreement : mapping of str to float
        By fold that was fitted again for this report: the largest difference between its scores and those recorded.
    """
    blocks: list[Block] = [
        Text("The same commands on the same files give the same figures, on any number of workers."),
        Commands(tuple(commands(lab))),
        *([Text(_agreement(agreement))] if agreement else []),
        Table("run-facts", "The reported run.", _facts(lab), FACTS, sortable=False),
        Table(
            "rounds", "Rounds; a digest does not depend on the order of the rows.", _rounds(lab), ROUNDS, sortable=False
        ),
        Table("versions", "Versions.", _versions(lab), VERSIONS, sortable=False),
    ]
    return Section("origin", "How to reproduce this report", tuple(blocks))


def commands(lab: Recorded) -> list[str]:
    """Return the commands that lead from the rounds to the reported run, a hand-in and this report."""
    run = lab.mine.run_id[:8]
    return [
        lab.command("tune", *_settings(lab)),
        lab.command("leaderboard", rounds=False),
        lab.command("export", "--run", run, "--batch", "NEXT.npz", "--out", "scores.npz", rounds=False),
        lab.command("report", "--run", run, "--out", "report.html", rounds=False),
    ]


def _settings(lab: Recorded) -> list[str]:
    """Return the options of the tune that made the reported run."""
    trial, seed = int(lab.tag("trial") or 0), int(lab.tag("seed") or 0)
    words = ["--detector", lab.mine.name, "--trials", str(trial + 1), "--seed", str((seed - trial) // SEEDS)]
    words += ["--scale", lab.tag("scale")]
    if lab.protocol != ("next-round" if len(lab.round_facts) > 1 else "in-round"):
        words += ["--protocol", lab.protocol]
    families = [one for one in lab.tag("families").split(",") if not one.startswith("team ")]
    if families != _usual_families(lab.mine.name):
        words += ["--families", ",".join(families)]
    if lab.tag("inductive") == "true":
        words += ["--inductive"]
    if team := lab.tag("team_features"):
        words += ["--features", shown_path(team)]
    return words


def _usual_families(detector: str) -> list[str]:
    try:
        own: Sequence[str] | None = getattr(MODELS.load(detector), "families", None)
    except LabError:  # its plugin is not installed here
        own = None
    return list(own or DEFAULT_FAMILIES)


def _agreement(agreement: Mapping[str, float]) -> str:
    most = max(agreement.values())
    folds = ", ".join(agreement)
    if most == 0:
        return f"For this report the run was fitted again on {folds}: every score is the recorded one, bit for bit."
    return (
        f"For this report the run was fitted again on {folds}: scores differ from the recorded ones by up to "
        f"{most:.2g}. Code, libraries or the machine have changed since."
    )


def _facts(lab: Recorded) -> pd.DataFrame:
    run = lab.mine.run
    params = {name: value for name, value in run.data.params.items() if name not in COMMON_PARAMS}
    with artifacts(lab.store, lab.mine.run_id, ["scores.csv"]) as folder:
        digest = file_digest(folder / "scores.csv")
    facts = {
        "method": lab.mine.name + ("" if lab.tag("origin") == "built-in" else f" (from {lab.tag('origin')})"),
        "hyperparameters": ", ".join(f"{name}={value}" for name, value in params.items()) or "none",
        "feature families": ", ".join(lab.tag("families").split(",")),
        "inductive": "yes" if lab.tag("inductive") == "true" else "no",
        "seed": lab.tag("seed"),
        "question": f"{lab.board.title} ({lab.board.question})",
        "run": lab.mine.run_id,
        "study": lab.tag("study"),
        "SHA-256 of scores.csv": digest,
        "git commit of the folder it ran in": lab.tag("git_commit"),
    }
    return pd.DataFrame({"what": list(facts), "value": list(facts.values())})


def _rounds(lab: Recorded) -> pd.DataFrame:
    rows = [one | {"file": shlex.quote(shown_path(one["path"])) if one["path"] else ""} for one in lab.round_facts]
    return pd.DataFrame(rows)


def _versions(lab: Recorded) -> pd.DataFrame:
    now: dict[str, str] = json.loads(versions())
    rows = [{"package": name, "then": then, "now": now.get(name, "")} for name, then in lab.versions.items()]
    return pd.DataFrame(rows)
