"""Rebuild: which run to fit again, and everything that takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_lab.errors import StoreError
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.features.team import TeamFeatures
from anomaly_lab.registry import MODELS
from anomaly_lab.space import parse_params
from anomaly_lab.tasks.names import FAKE_USERS
from tracking.leaderboard import leaderboard
from tracking.read import COMMON_PARAMS, find_run
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a run was made of, ready to be fitted again.

    Parameters
    ----------
    name : str
        The detector's registered name.
    model : type
        Its class.
    params : dict of str to Any
        Its hyperparameters.
    seed : int
        The run's seed.
    features : FeatureStore
        What the run saw of users: its families, and the team's own columns; and whether it was inductive.
    """

    name: str
    model: type
    params: Mapping[str, Any]
    seed: int
    features: FeatureStore


def choose_run(store: Store, run: str | None, question: str | None = None) -> tuple[Run, list[str]]:
    """Return the run to fit again, and a note if it is not the leader.

    Parameters
    ----------
    store : Store
        The lab.
    run : str, optional
        Beginning of a run's id; the leader of the board by default.
    question : str, optional
        Beginning of the fingerprint of the board's question; the newest by default.

    Raises
    ------
    StoreError
        If there is no such run, or it was recorded from a file.
    """
    if run is not None:
        chosen = find_run(store, run)
        if chosen.data.tags[PREFIX + "task"] != FAKE_USERS:
            raise StoreError(
                f"run {chosen.info.run_id[:8]} ({chosen.data.tags[PREFIX + 'detector']}) is of a recommender, and "
                "must be of a detector; see `anomaly-lab leaderboard`"
            )
        if chosen.data.tags[PREFIX + "kind"] == "recorded":
            raise StoreError(
                f"run {chosen.info.run_id[:8]} ({chosen.data.tags[PREFIX + 'detector']}) was recorded from a file of "
                "scores and cannot be refitted; hand in the scores of whoever made it, or choose another --run"
            )
        return chosen, []
    board = leaderboard([store.folder], question=question, task=FAKE_USERS)
    passed_over: list[str] = []
    for row in board.table.itertuples():
        candidate = store.client.get_run(str(row.run_id))
        if candidate.data.tags[PREFIX + "kind"] != "recorded":
            above = " and ".join(passed_over)
            note = [f"{above} stands above {row.detector}, but was recorded from a file and cannot be refitted"]
            return candidate, note if passed_over else []
        passed_over.append(str(row.detector))
    raise StoreError(f"{store.folder}: there must be a run that can be refitted, found recorded ones only")


def recipe(store: Store, run: Run, features: str | Path | None = None) -> tuple[Recipe, list[str]]:
    """Return what a run was made of, and what to know of it.

    Parameters
    ----------
    store : Store
        The lab; its cache of features is used.
    run : Run
        A run that was not recorded from a file.
    features : path-like, optional
        The team's own features; by default the file the run saw.

    Raises
    ------
    StoreError
        If the run saw a team's own features and their file is gone.
    """
    tags = run.data.tags
    name = tags[PREFIX + "detector"]
    model = MODELS.load(name)
    settings = {key: value for key, value in run.data.params.items() if key not in COMMON_PARAMS}
    families = [one for one in tags[PREFIX + "families"].split(",") if not one.startswith("team ")]
    team, notes = _team(run, features)
    made = Recipe(
        name,
        model,
        parse_params(model, settings, name),
        int(tags[PREFIX + "seed"]),
        FeatureStore(families, store.feature_cache, team, only=families, inductive=is_inductive(run)),
    )
    return made, notes


def is_inductive(run: Run) -> bool:
    """Return whether a run used nothing of the users asked about but their own ratings."""
    return bool(run.data.tags.get(PREFIX + "inductive") == "true")  # older runs have no such tag


def _team(run: Run, features: str | Path | None) -> tuple[TeamFeatures | None, list[str]]:
    """Return the team's own columns if the run saw any."""
    seen = [one for one in run.data.tags[PREFIX + "families"].split(",") if one.startswith("team ")]
    if not seen:
        return None, ["this run saw no features of your own; --features is not used"] if features else []
    path = Path(features or run.data.tags[PREFIX + "team_features"])
    if not path.exists():
        raise StoreError(f"{path}: run {run.info.run_id[:8]} saw these features, found no such file; give --features")
    team = TeamFeatures.read(path)
    same = seen[0] == f"team {team.digest[:8]}"
    return team, [] if same else [f"{path} is not what it was when the run saw it: are its old rows unchanged?"]
