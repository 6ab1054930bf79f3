"""Recorded: what a lab remembers of a question, read once for every section."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from anomaly_lab.detectors.champion import calibrate
from anomaly_lab.evaluation.curve_bands import Part
from tracking.leaderboard import Board, leaderboard
from tracking.plots import Played, read_rounds_played
from tracking.reopen import recorded_rounds
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

SUPERVISED, UNSUPERVISED = "supervised", "unsupervised"


@dataclass(frozen=True, eq=False)
class Method:
    """A run that answered the whole question.

    Parameters
    ----------
    run : Run
        The run.
    rounds : list of Played
        What it left of each round.
    """

    run: Run
    rounds: list[Played]

    @property
    def name(self) -> str:
        """How boards call it."""
        return str(self.run.data.tags[PREFIX + "detector"])

    @property
    def kind(self) -> str:
        """``supervised``, ``unsupervised``, ``recorded`` or ``other``."""
        return str(self.run.data.tags[PREFIX + "kind"])

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.run.info.run_id)

    def scored(self) -> pd.DataFrame:
        """Return its scores as a hand-in has them: ``round``, ``fold``, ``user``, ``label`` and ``score``.

        Scores lie in (0, 1), 0.5 where the fold's threshold is; see `anomaly_lab.detectors.champion.calibrate`.
        """
        return pd.concat([_calibrated(one) for one in self.rounds], ignore_index=True)

    def parts(self) -> list[Part]:
        """Return truth and scores of each fold."""
        return [part for one in self.rounds for part in fold_parts(one)]

    def metric(self, name: str) -> float:
        """Return a metric, NaN where the run has none."""
        return float(self.run.data.metrics.get(name, float("nan")))


@dataclass(frozen=True, eq=False)
class Recorded:
    """A question's runs, and the one that the report is about.

    Parameters
    ----------
    store : Store
        The lab.
    board : Board
        The best run of each detector.
    mine : Method
        The run that is reported in full.
    methods : list of Method
        The ranked runs of the board, best first.
    """

    store: Store
    board: Board
    mine: Method
    methods: list[Method]

    @classmethod
    def read(cls, store: Store, run: Run) -> Recorded:
        """Read what is recorded of a run's question.

        Parameters
        ----------
        store : Store
            The lab.
        run : Run
            A detector's run that answered the whole question.
        """
        board = leaderboard([store.folder], question=run.data.tags[PREFIX + "question"])
        ranked = board.table[board.table["rank"].notna()]
        found = [_method(store, str(run_id)) for run_id in ranked["run_id"]]
        mine = next((one for one in found if one.run_id == run.info.run_id), None)
        return cls(store, board, mine or _method(store, run.info.run_id), found)

    @property
    def protocol(self) -> str:
        """How the rounds are asked."""
        return self.board.protocol

    @property
    def round_names(self) -> list[str]:
        """The rounds of the question, oldest first."""
        return [str(one["name"]) for one in self.round_facts]

    @cached_property
    def round_facts(self) -> list[dict[str, Any]]:
        """``name``, ``path`` and digests of each round."""
        return recorded_rounds(self.mine.run)

    def tag(self, name: str) -> str:
        """Return a tag of the reported run, empty where it has none."""
        return str(self.mine.run.data.tags.get(PREFIX + name, ""))

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of what the reported run was made with."""
        found: dict[str, str] = json.loads(self.tag("versions"))
        return found

    def command(self, name: str, *arguments: str, rounds: bool = True, further: str = "") -> str:
        """Return a command on this lab as it is typed.

        Parameters
        ----------
        name : str
            The command.
        *arguments : str
            What stands behind it.
        rounds : bool
            Whether it takes the question's rounds.
        further : str
            A round to come after these, empty for none.
        """
        words = ["anomaly-lab", name, *arguments]
        files = [shown_path(one["path"] or one["name"]) for one in self.round_facts] if rounds else []
        for file in [*files, further] if further else files:
            words += ["--round", file]
        return shlex.join([*words, "--store", shown_path(self.store.folder)])


def shown_path(path: str | Path) -> str:
    """Return a path as it is typed from here: relative to this folder where it lies in it."""
    path = Path(path).absolute()
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def fold_parts(one: Played) -> list[Part]:
    """Return truth and scores of each fold of a round."""
    folds = one.scores.groupby("fold", sort=False)
    return [(fold["label"].to_numpy(), fold["score"].to_numpy()) for _, fold in folds]


def _calibrated(one: Played) -> pd.DataFrame:
    spread = one.scores["fold"].map({fold["name"]: fold["scale"] for fold in one.folds})
    scores = calibrate(one.scores["score"].to_numpy(), one.scores["threshold"].to_numpy(), spread.to_numpy())
    return one.scores[["fold", "user", "label"]].assign(round=one.name, score=scores)


def _method(store: Store, run_id: str) -> Method:
    return Method(store.client.get_run(run_id), read_rounds_played(store, run_id))
