"""A whole course in one command: four simulated rounds, detectors as teams, from `course init` to the final page."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from anomaly_lab.detectors.champion import calibrate
from anomaly_lab.errors import ConfigError, LabError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Round
from anomaly_lab.types import AnyArray, FloatArray

if TYPE_CHECKING:
    from anomaly_lab.features.extract import FeatureStore

TEAMS = (
    "next-round",
    "gradient-boosting",
    "random-forest",
    "knn-distance",
    "mahalanobis",
    "isolation-forest",
)
"""A team each. Those that learn from labels miss round 1, for which there are none."""
BASELINE = "seed-notebook"
WITHOUT_LABELS = ("next-round",)
"""In round 1 this team hands in what `anomaly-lab detect` finds."""
ROUNDS = 4


def run(
    folder: Annotated[Path, typer.Argument(help="Where the course comes to lie; made anew.")] = Path("lab/course-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the simulated rounds.")] = 0,
) -> None:
    """Run a course of four simulated rounds with six teams and a baseline, and write its board."""
    if folder.exists():
        if not (folder / "course.toml").exists():
            raise ConfigError(
                f"{folder}: must be an earlier demo or not exist, found something else; name another folder"
            )
        shutil.rmtree(folder)
    first = (datetime.now(UTC) - timedelta(days=7 * (ROUNDS - 1) + 1)).replace(
        hour=12, minute=0, second=0, microsecond=0
    )
    course(
        "init", folder, "--title", "Course demo", "--rounds", ROUNDS, "--seed", seed,
        "--first-deadline", first.strftime("%Y-%m-%dT%H:%M"),
    )  # fmt: skip
    for number in range(1, ROUNDS + 1):
        deadline = first + timedelta(days=7 * (number - 1))
        course("release", folder, number)
        inbox = hand_ins(folder, number, seed)
        before = (deadline - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
        course("submit", folder, inbox, "--round", number, "--at", before)
        if number > 1:
            file = inbox.with_name(f"{BASELINE}-{number}.npz")
            course("submit", folder, file, "--round", number, "--at", before, "--team", BASELINE, "--baseline")
        if number == 2:
            accidents(folder, inbox, deadline)
        course("close", folder, number)
    course("grades", folder)
    course("board", folder)


def course(*words: object) -> None:
    """Say and run a command; a refusal is told and is not the end."""
    from experiments.cli import app

    line = [str(word) for word in words]
    typer.echo(f"\n$ anomaly-lab course {shlex.join(line)}")
    try:
        app(["course", *line], standalone_mode=False)
    except LabError as error:
        typer.echo(f"error: {error}")


def hand_ins(folder: Path, number: int, seed: int) -> Path:
    """Write what each team makes of a round's public files, and return the folder with the files."""
    from anomaly_lab.features.extract import FeatureStore
    from anomaly_lab.ratings.readers import read_rounds
    from anomaly_lab.registry import DEFAULT_FAMILIES

    public = folder / "public"
    inbox = folder / "inbox" / f"round{number}"
    inbox.mkdir(parents=True)
    *labelled, batch = read_rounds(
        [*(public / f"round{one}_labelled.npz" for one in range(1, number)), public / f"round{number}.npz"]
    )
    store = FeatureStore(DEFAULT_FAMILIES)
    for team in [*TEAMS, BASELINE]:
        scores = scores_of(team, labelled, batch.ratings, store, seed)
        if scores is not None:
            file = inbox.with_name(f"{team}-{number}.npz") if team == BASELINE else inbox / f"{team}.npz"
            np.savez(file, arr_0=scores)
    return inbox


def scores_of(
    team: str, labelled: Sequence[Round], batch: RatingBatch, store: FeatureStore, seed: int
) -> FloatArray | None:
    """Return a detector's scores of a batch in ascending user id, None if it needs labels and there are none."""
    from anomaly_lab.evaluation.refit import refit
    from anomaly_lab.evaluation.unlabelled import detect
    from anomaly_lab.registry import MODELS

    if labelled:
        return refit(team, MODELS.load(team), {}, labelled, batch, store, seed=seed).scores
    if team in WITHOUT_LABELS:
        return flag_a_tenth(detect(batch, seed=seed, threads=os.cpu_count() or 1).scores)
    return unlabelled_scores(team, batch, store, seed)


def unlabelled_scores(team: str, batch: RatingBatch, store: FeatureStore, seed: int) -> FloatArray | None:
    """Return the scores of a detector of novelty that learns from everyone; None of one that needs labels."""
    from anomaly_lab.detectors.base import NoveltyDetector
    from anomaly_lab.evaluation.engine import query_ids
    from anomaly_lab.evaluation.folds import query_view, train_view
    from anomaly_lab.evaluation.refit import target_fold
    from anomaly_lab.registry import MODELS

    model = MODELS.load(team)
    if not issubclass(model, NoveltyDetector):
        return None
    fold = target_fold([], batch)
    fitted = model(fit_on="everyone").fit(train_view(fold, store), rng=np.random.default_rng(seed))
    return flag_a_tenth(fitted.score(query_view(fold, store))[np.argsort(query_ids(fold), kind="stable")])


def flag_a_tenth(scores: FloatArray) -> FloatArray:
    """Return scores in (0, 1) of which a tenth reaches 0.5: without labels nobody knows a threshold."""
    return calibrate(scores, float(np.quantile(scores, 0.9)), float(np.std(scores)) or 1.0)


def accidents(folder: Path, inbox: Path, deadline: datetime) -> None:
    """Hand in what has cost real teams a round; every file is refused and uses up no attempt."""
    scores: AnyArray = np.load(inbox / f"{TEAMS[0]}.npz")["arr_0"]
    wrong = folder / "inbox" / "accidents"
    wrong.mkdir()
    np.savez(wrong / "mahalanobis.npz", arr_0=(scores >= 0.5).astype(int))
    np.savez(wrong / "knn-distance.npz", arr_0=np.column_stack([scores, scores >= 0.5]))
    np.savez(wrong / "random-forest.npz", scores=scores)
    course("submit", folder, wrong, "--round", 2, "--at", (deadline - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"))
    late = (deadline + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    course("submit", folder, inbox / f"{TEAMS[0]}.npz", "--round", 2, "--team", "mahalanobis", "--at", late)


if __name__ == "__main__":
    try:
        typer.run(run)
    except LabError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
