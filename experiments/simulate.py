"""Simulate: a course over any rating log, in the files in which a real course hands out its rounds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.attacks.course import SimulatedCourse, simulate_course
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.synthetic import write_rounds
from anomaly_lab.types import BoolArray

MOST_CELLS = 500_000_000
"""Users times items of the table that fakes are made from: half a gigabyte."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """A course on disk.

    Parameters
    ----------
    course : SimulatedCourse
        Its rounds and attacks.
    paths : list of Path
        The labelled rounds, the last round, its truth, ``course.json`` and ``items.csv``.
    """

    course: SimulatedCourse
    paths: list[Path]

    @property
    def labelled(self) -> list[Path]:
        """The labelled rounds, oldest first."""
        return self.paths[: len(self.course.rounds) - 1]

    @property
    def table(self) -> pd.DataFrame:
        """One row an attack, one column a round: how many fakes; genuine users first."""
        genuine = {one.name: one.ratings.n_users - _n_fake(one) for one in self.course.rounds}
        counts = {one.name: pd.Series(self.course.n_fakes(one)) for one in self.course.rounds}
        fakes = pd.DataFrame(counts).reindex(self.course.attacks).fillna(0).astype(int)
        return pd.concat([pd.DataFrame(genuine, index=["(genuine)"]), fakes])


def simulate(
    genuine: Round,
    out: str | Path,
    *,
    n_rounds: int = 4,
    difficulty: float = 0.25,
    fake_share: float = 0.2,
    attacks: Sequence[str] | None = None,
    n_users: int | None = None,
    n_items: int | None = None,
    seed: int = 0,
) -> Simulation:
    """Write a course over a rating log.

    The folder gets ``round1_labelled.npz``, … with ``X``, ``y`` and kinds ``yy``; the unlabelled last round and its
    truth; ``course.json``, which says which kind is which attack; and ``items.csv``, which says what the log calls each
    item. All files appear, or none.

    Parameters
    ----------
    genuine : Round
        The log. Where it is labelled, only its genuine users are taken.
    out : str or Path
        Folder to write to; made if it does not exist, files of the same names are replaced.
    n_rounds, difficulty, fake_share, attacks, seed
        As in :func:`anomaly_lab.attacks.course.simulate_course`.
    n_users : int, optional
        Genuine users taken from the log at random; by default all.
    n_items : int, optional
        Most rated items taken; by default all.

    Raises
    ------
    ConfigError
        If a setting lies outside its range.
    DataError
        If the log is too small or too large, or the folder cannot be written or holds rounds of another course.
    """
    folder = Path(out)
    batch = genuine_part(genuine, n_users, n_items, seed)
    course = simulate_course(
        batch, n_rounds=n_rounds, difficulty=difficulty, fake_share=fake_share, attacks=attacks, seed=seed
    )
    _check_folder(folder, n_rounds)
    items = pd.DataFrame({"item": np.arange(batch.n_items), "id": batch.item_ids})
    settings = {"seed": seed, "difficulty": difficulty, "fake_share": fake_share}
    notes = {
        "course.json": json.dumps(settings | _known(course), indent=2) + "\n",
        "items.csv": items.to_csv(index=False),
    }
    return Simulation(course, write_rounds(folder, course.rounds, kinds=True, notes=notes))


def _known(course: SimulatedCourse) -> dict[str, object]:
    """Return what the organiser knows of a course."""
    scale = course.rounds[0].ratings.scale
    return {
        "scale": {"name": scale.name, "levels": scale.levels, "unknown": scale.unknown},
        "kinds": {"0": "genuine", **{str(kind): name for kind, name in enumerate(course.attacks, start=1)}},
        "rounds": {
            one.name: {"genuine": one.ratings.n_users - _n_fake(one), "fakes": course.n_fakes(one)}
            for one in course.rounds
        },
    }


def _n_fake(one: Round) -> int:
    assert one.labels is not None
    return one.labels.n_fake


def genuine_part(log: Round, n_users: int | None, n_items: int | None, seed: int = 0) -> RatingBatch:
    """Return a log's genuine users: the most rated items and, of the users with a rating of these, some at random.

    Parameters
    ----------
    log : Round
        Where it is labelled, only its genuine users are taken.
    n_users, n_items : int, optional
        How many; by default all.
    seed : int
        Seed of who is taken.

    Raises
    ------
    ConfigError
        If a number is below 1.
    DataError
        If fakes cannot be made from a table of what is left, for its size.
    """
    batch = log.ratings if log.labels is None else log.ratings.select(log.labels.fake == 0)
    for option, value in (("--users", n_users), ("--items", n_items)):
        if value is not None and value < 1:
            raise ConfigError(f"{option} must be 1 or more, found {value}")
    counts = np.bincount(batch.items, minlength=batch.n_items)
    kept = np.zeros(batch.n_items, dtype=bool)
    kept[np.argsort(-counts, kind="stable")[:n_items]] = True
    batch = _rows(batch, kept[batch.items])
    if n_users is not None and n_users < batch.n_users:
        chosen = np.zeros(batch.n_users, dtype=bool)
        chosen[np.random.default_rng(max(seed, 0)).permutation(batch.n_users)[:n_users]] = True
        batch = _rows(batch, chosen[batch.users])
    if batch.n_users * batch.n_items > MOST_CELLS:
        raise DataError(
            f"{batch.source}: users times items must be at most {MOST_CELLS:,}, found {batch.n_users:,} by "
            f"{batch.n_items:,}; take a part of the log with --users and --items"
        )
    return batch


def _rows(batch: RatingBatch, keep: BoolArray) -> RatingBatch:
    """Return some of the ratings, users and items without any left out."""
    return RatingBatch.from_rows(
        batch.user_ids[batch.users[keep]],
        batch.item_ids[batch.items[keep]],
        np.asarray(batch.scale.levels)[batch.ratings[keep]],
        scale=batch.scale,
        source=batch.source,
    )


def _check_folder(folder: Path, n_rounds: int) -> None:
    """Raise `DataError` if files of another course would stay beside the new ones."""
    written = {f"round{number}_labelled.npz" for number in range(1, n_rounds)}
    written |= {f"round{n_rounds}.npz", f"round{n_rounds}_truth.npz"}
    others = sorted({path.name for path in folder.glob("round*.npz")} - written) if folder.is_dir() else []
    if others:
        raise DataError(f"{folder}: must hold no other course, found {others[0]}; give another folder")
