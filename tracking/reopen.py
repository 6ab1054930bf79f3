"""Reopen: the question that a run answered, read again from the files of its rounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_lab.errors import StoreError
from anomaly_lab.ratings.cache import RatingCache
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import parse_scale
from anomaly_lab.tasks.question import Question
from tracking.store import PREFIX

if TYPE_CHECKING:
    from mlflow.entities import Run


def recorded_rounds(run: Run) -> list[dict[str, Any]]:
    """Return ``name``, ``path``, and the digests ``ratings`` and ``labels`` of each round of a run's question."""
    found: list[dict[str, Any]] = json.loads(run.data.tags[PREFIX + "rounds"])
    return found


def reopen(
    run: Run,
    paths: Sequence[str | Path] | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    cache: RatingCache | None = None,
) -> Question:
    """Return the question a run answered, its rounds in the order the run saw them.

    Parameters
    ----------
    run : Run
        A run of this lab.
    paths : sequence of path-like, optional
        Where the rounds are now, in any order; by default where they were.
    columns, cache : optional
        As in `anomaly_lab.ratings.readers.read_rounds`.

    Raises
    ------
    StoreError
        If a round is not where it was, or not what it was.
    """
    known = recorded_rounds(run)
    short = run.info.run_id[:8]
    if paths is None:
        for one in known:
            if not one["path"] or not Path(one["path"]).exists():
                raise StoreError(
                    f"{one['path'] or one['name']}: run {short} learnt from this round, found no such file; "
                    f"say where its {len(known)} rounds are now with --round"
                )
    files = [str(path) for path in paths] if paths else [one["path"] for one in known]
    scale = parse_scale(run.data.tags[PREFIX + "scale"])
    rounds = read_rounds(files, scale=scale, columns=columns, require_labels=True, cache=cache)
    question = Question(tuple(_in_order(rounds, known, short)), run.data.tags[PREFIX + "protocol"])
    if question.fingerprint != run.data.tags[PREFIX + "question"]:
        raise StoreError(f"run {short} answered another version of its question; run `anomaly-lab tune` again")
    return question


def _in_order(rounds: Sequence[Round], known: Sequence[Mapping[str, Any]], short: str) -> list[Round]:
    """Return rounds in the order of those known, refusing any that is none of them."""
    places = {(one["ratings"], one["labels"]): number for number, one in enumerate(known)}
    placed: dict[int, Round] = {}
    for one in rounds:
        assert one.labels is not None  # the reader was told to require them
        place = places.get((one.ratings.digest, one.labels.digest(one.ratings)))
        if place is None:
            raise StoreError(
                f"{one.path}: must be a round that run {short} learnt from, unchanged since, found other ratings or "
                f"labels; give the right files with --round"
            )
        placed[place] = one
    missing = [one["name"] for number, one in enumerate(known) if number not in placed]
    if missing:
        raise StoreError(f"run {short} learnt from {', '.join(missing)} too; give every round with --round")
    return [placed[place] for place in range(len(known))]
