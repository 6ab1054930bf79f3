"""The course as files, in the form in which a real course hands out its rounds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.scale import LIKES, RatingScale
from anomaly_lab.ratings.synthetic.course import Difficulty, make_course
from anomaly_lab.types import AnyArray


def write_course(
    folder: str | Path,
    *,
    seed: int = 0,
    n_rounds: int = 4,
    n_users: int = 1100,
    n_items: int = 1000,
    scale: RatingScale = LIKES,
    fake_share: float = 0.10,
    difficulty: Difficulty | None = None,
) -> list[Path]:
    """Write a course: labelled rounds, a last one without labels, and that one's truth in a file of its own.

    A round holds ``X``, int32 rows (user, item, rating) sorted by user and item, and ``y``, int32 rows (user, 0 or 1);
    the truth holds ``y`` and ``yy``, rows (user, kind). The same settings give the same arrays. Files appear whole or
    not at all and replace older ones of the same name.

    Parameters
    ----------
    folder : str or Path
        Where to write; made if it does not exist.
    n_rounds : int
        Number of rounds, the last one unlabelled; 2 to 4.
    seed, n_users, n_items, scale, fake_share, difficulty
        As in :func:`make_course`.

    Returns
    -------
    paths : list of Path
        ``round1_labelled.npz``, …, the unlabelled ``round4.npz`` and ``round4_truth.npz``.

    Raises
    ------
    ConfigError
        If a setting lies outside its range.
    DataError
        If the folder cannot be written.
    """
    if n_rounds < 2:
        raise ConfigError(f"a course in files must have at least 2 rounds, the last one unlabelled, found {n_rounds}")
    rounds = make_course(
        seed=seed,
        n_rounds=n_rounds,
        n_users=n_users,
        n_items=n_items,
        scale=scale,
        fake_share=fake_share,
        difficulty=difficulty,
    )
    try:
        return _write(Path(folder), _files(rounds))
    except OSError as error:
        raise DataError(f"{folder}: must be a folder that can be written, found: {error.strerror}") from error


def _files(rounds: list[Round]) -> dict[str, dict[str, AnyArray]]:
    """Return the arrays of each file by its name."""
    *labelled, last = rounds
    files = {f"{one.name}_labelled.npz": {"X": _ratings(one), "y": _truth(one)["y"]} for one in labelled}
    return {**files, f"{last.name}.npz": {"X": _ratings(last)}, f"{last.name}_truth.npz": _truth(last)}


def _ratings(one: Round) -> AnyArray:
    batch = one.ratings
    levels = np.asarray(batch.scale.levels)[batch.ratings]
    rows = np.column_stack([batch.user_ids[batch.users], batch.item_ids[batch.items], levels]).astype(np.int32)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def _truth(one: Round) -> dict[str, AnyArray]:
    assert one.labels is not None
    assert one.labels.kinds is not None
    ascending = one.ratings.ascending
    columns = {"y": one.labels.fake, "yy": one.labels.kinds}
    return {
        key: np.column_stack([one.ratings.user_ids, values])[ascending].astype(np.int32)
        for key, values in columns.items()
    }


def _write(folder: Path, files: dict[str, dict[str, AnyArray]]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    # Drafts lie inside the folder, for only within one file system is a move all or nothing.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".course-") as drafts:
        for name, arrays in files.items():
            np.savez_compressed(Path(drafts) / name, allow_pickle=False, **arrays)
        for name in files:
            os.replace(Path(drafts) / name, folder / name)
    return [folder / name for name in files]
