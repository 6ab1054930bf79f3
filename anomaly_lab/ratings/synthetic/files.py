"""The course as files, in the form in which a real course hands out its rounds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.archives import round_arrays
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
    return write_rounds(folder, rounds)


def write_rounds(
    folder: str | Path, rounds: Sequence[Round], *, kinds: bool = False, notes: Mapping[str, str] | None = None
) -> list[Path]:
    """Write rounds with labels and kinds as the files of a course, the last one without its labels.

    Files are as in :func:`write_course`; ratings are float64 where a level of the scale is no whole number.

    Parameters
    ----------
    folder : str or Path
        Where to write; made if it does not exist.
    rounds : sequence of Round
        Oldest first, users and items called by whole numbers.
    kinds : bool
        Whether labelled rounds hold ``yy`` too.
    notes : mapping of str to str, optional
        Further files: name and text.

    Returns
    -------
    paths : list of Path
        The rounds, the truth of the last one, then the notes.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    try:
        return _write(Path(folder), {**_files(rounds, kinds), **(notes or {})})
    except OSError as error:
        raise DataError(f"{folder}: must be a folder that can be written, found: {error.strerror}") from error


def _files(rounds: Sequence[Round], kinds: bool) -> dict[str, dict[str, AnyArray] | str]:
    """Return the arrays of each file by its name."""
    *labelled, last = (round_arrays(one, one.ratings.user_ids, labels=True) for one in rounds)
    keys = ("X", "y", "yy") if kinds else ("X", "y")
    shown = zip(rounds, labelled, strict=False)
    files = {f"{one.name}_labelled.npz": {key: arrays[key] for key in keys} for one, arrays in shown}
    name, truth = rounds[-1].name, {key: last[key] for key in ("y", "yy")}
    return {**files, f"{name}.npz": {"X": last["X"]}, f"{name}_truth.npz": truth}


def _write(folder: Path, files: Mapping[str, dict[str, AnyArray] | str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    # Drafts lie inside the folder, for only within one file system is a move all or nothing.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".course-") as drafts:
        for name, content in files.items():
            draft = Path(drafts) / name
            if isinstance(content, str):
                draft.write_text(content, encoding="utf-8")
            else:
                np.savez_compressed(draft, allow_pickle=False, **content)
        for name in files:
            os.replace(Path(drafts) / name, folder / name)
    return [folder / name for name in files]
