"""Score one submission as Codabench asks for it: stand-alone, on NumPy and Python 3.8 or later.

``python3 scoring.py [INPUT OUTPUT]`` reads ``INPUT/ref`` and ``INPUT/res`` and writes ``OUTPUT/scores.json`` and
``OUTPUT/detailed_results.html``. A submission that cannot be scored gets one line on stderr, exit code 2 and no
``scores.json``: Codabench then calls it failed and counts no attempt, whereas one without figures would rank first.
Figures are never printed, for teams may read what is.
"""

from __future__ import annotations

import csv
import html
import json
import math
import sys
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

KEYS = ("arr_0", "predictions", "probabilities")
THRESHOLD = 0.5
MOST_MEMBERS = 16
MIN_CLASSES = 3
MEGABYTE = 2**20
HARD_LABELS = ({0.0, 1.0}, {-1.0, 1.0})


class RefusedError(Exception):
    """A submission that cannot be scored; its text tells the team why, in one line."""


class Found(NamedTuple):
    """What a submission's file holds: an array, where it stood, and its users if it names them."""

    array: Array
    where: str
    users: list[str] | None


def roc_auc(fake: Array, scores: Array) -> float:
    """Return the area under the ROC curve by rank sums (Mann and Whitney, 1947); ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    n_fake = int(fake.sum())
    above = ranks[fake == 1].sum() - n_fake * (n_fake + 1) / 2.0
    return float(above / (n_fake * (len(fake) - n_fake)))


def average_precision(fake: Array, scores: Array) -> float:
    """Return the mean precision at every generated user found, users of one score found together."""
    order = np.argsort(-scores, kind="mergesort")
    ordered = scores[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    hits = np.cumsum(fake[order])[last]
    gained = np.diff(np.append(0, hits))
    return float((gained * hits / (last + 1.0)).sum() / hits[-1])


def binary_figures(fake: Array, scores: Array) -> dict[str, float]:
    """Return the figures of one score a user; precision, recall and F1 flag those at or above 0.5."""
    flagged = scores >= THRESHOLD
    hits, n_flagged, n_fake = int(fake[flagged].sum()), int(flagged.sum()), int(fake.sum())
    return {
        "auc": roc_auc(fake, scores),
        "f1": 2.0 * hits / (n_flagged + n_fake),
        "precision": hits / n_flagged if n_flagged else 0.0,
        "recall": hits / n_fake,
        "average_precision": average_precision(fake, scores),
    }


def class_figures(kinds: Array, classes: Array) -> dict[str, float]:
    """Return the composites of class scores; a class without a column scored everyone alike."""
    aucs = [
        roc_auc((kinds == one).astype(int), classes[:, one]) if one < classes.shape[1] else 0.5
        for one in np.unique(kinds)
    ]
    return {"composite": float(0.5 * aucs[0] + 0.5 * np.mean(aucs[1:])), "mean_ovr_auc": float(np.mean(aucs))}


def read_submission(folder: Path, most: int) -> Found:
    """Read the one file of scores in a folder, trusting it in nothing.

    Raises
    ------
    RefusedError
        If there is none, there are several, or it is broken, too large or no array of scores.
    """
    readers = {".npz": _read_npz, ".npy": _read_npy, ".csv": _read_csv}
    here = sorted(one for one in folder.iterdir() if not one.name.startswith((".", "__MACOSX")))
    files = [one for one in here if one.suffix.lower() in readers and one.is_file() and not one.is_symlink()]
    if len(files) != 1:
        names = ", ".join(_shown(one.name + "/" * one.is_dir()) for one in here[:5]) or "nothing"
        why = "zip the file itself, not its folder" if not files else "hand in one of them"
        raise RefusedError(f"the zip must hold one file of scores at its top, predictions.npz, found {names}; {why}")
    where = _shown(files[0].name)
    _check_size(where, files[0].stat().st_size, most)
    try:
        with files[0].open("rb") as stream:
            return readers[files[0].suffix.lower()](stream, where, most)
    except RefusedError:
        raise
    except Exception as error:  # whatever a stranger's file breaks, it is the file that is broken
        raise RefusedError(f"{where} must be a file of scores, found a broken one ({_shown(str(error))})") from error


def score(array: Found, truth: dict[str, Array], settings: dict[str, Any]) -> tuple[dict[str, float], list[str]]:
    """Return a submission's figures and what its team should know.

    Raises
    ------
    RefusedError
        If there is not one finite score, or row of class scores, a user of the round.
    """
    fake, kinds = truth["fake"], truth.get("kinds")
    by_class = kinds is not None and array.array.ndim == 2 and array.array.shape[1] >= MIN_CLASSES
    values = _checked(array, by_class=by_class)
    _check_count(len(values), len(fake), array.where, settings)
    if array.users is not None:
        values = values[_in_order(array.users, truth["users"], array.where, str(settings["round"]))]
    scores = 1.0 - values[:, 0] if by_class else values
    figures = binary_figures(fake, scores)
    if kinds is not None and by_class:
        figures.update(class_figures(kinds, values))
    missing = [name for name in settings["columns"] if name not in figures]
    if missing:
        raise RefusedError(f"{array.where} must hold a column of scores for every class: {missing[0]} ranks by them")
    return {name: figures[name] for name in settings["columns"]}, _notes(scores)


def main(arguments: list[str]) -> int:
    """Score the submission in the first folder into the second; return the exit code."""
    source, target = (Path(one) for one in (arguments or ["/app/input", "/app/output"]))
    settings = json.loads((source / "ref" / "settings.json").read_text(encoding="utf-8"))
    with np.load(source / "ref" / "truth.npz", allow_pickle=False) as archive:
        truth = {name: archive[name] for name in archive.files}
    try:
        found = read_submission(source / "res", int(settings["max_megabytes"] * MEGABYTE))
        figures, notes = score(found, truth, settings)
    except RefusedError as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return 2
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
    page = _page(str(settings["round"]), figures, notes)
    (target / "detailed_results.html").write_text(page, encoding="utf-8")
    (target / "scores.json").write_text(json.dumps(figures, allow_nan=False), encoding="utf-8")
    return 0


def _read_npz(stream: IO[bytes], where: str, most: int) -> Found:
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise RefusedError(f"{where} must hold at most {MOST_MEMBERS} arrays, found {len(members)}")
        _check_size(where, sum(one.file_size for one in members), most)
        # Others than these two unpack a whole block at once, however large, before anyone can stop them.
        if not {one.compress_type for one in members} <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise RefusedError(f"{where} must be packed as numpy.savez does, found another compression")
        by_key = {one.filename[: -len(".npy")]: one for one in members if one.filename.endswith(".npy")}
        known = [key for key in by_key if key in KEYS]
        if not known:
            keys = ", ".join(_shown(key) for key in by_key) or "none"
            raise RefusedError(f"{where} must hold scores under key 'predictions', found {keys}")
        with archive.open(by_key[known[0]]) as member:
            return _read_npy(member, f"{where}, key {known[0]!r},", most)


def _read_npy(stream: IO[bytes], where: str, most: int) -> Found:
    """Read an array once its header has said that it is one of numbers and not too large: NumPy makes room first."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise RefusedError(f"{where} must hold numbers, found Python objects, which are never unpickled")
    if dtype.kind not in "fiub":
        raise RefusedError(f"{where} must hold numbers, found dtype {_shown(str(dtype))}")
    _check_size(where, math.prod(shape) * dtype.itemsize, most)
    stream.seek(0)
    return Found(np.lib.format.read_array(stream, allow_pickle=False), where, None)


def _read_csv(stream: IO[bytes], where: str, most: int) -> Found:
    lines = list(csv.reader(stream.read(most).decode("utf-8-sig").splitlines()))
    header = lines[0] if lines else []
    if sorted(header) != ["score", "user"]:
        columns = ", ".join(_shown(name) for name in header[:5]) or "none"
        raise RefusedError(f"{where} must have the columns user and score and no other, found {columns}")
    users, scores = [], []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != 2:
            raise RefusedError(f"{where}, line {number}, must hold a user and a score, found {len(line)} cells")
        users.append(line[header.index("user")])
        try:
            scores.append(float(line[header.index("score")]))
        except ValueError:
            cell = _shown(line[header.index("score")])
            raise RefusedError(f"{where}, line {number}: a score must be a number, found {cell}") from None
    return Found(np.array(scores), where, users)


def _checked(found: Found, *, by_class: bool) -> Array:
    """Return scores as floats if they can be what a submission asks for: finite, one a user, no decisions."""
    array, where = found.array, found.where
    if array.ndim != 1 and not by_class:
        raise RefusedError(f"{where} must hold one score a user, (n_users,), found {array.shape}; {_guess(array)}")
    values = array.astype(float)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        value, row = values[tuple(wrong[0])], wrong[0][0]
        raise RefusedError(
            f"{where} must hold finite scores, found {value} in row {row} (counted from 0) and {len(wrong)} such in all"
        )
    if values.size and any(set(np.unique(values)) <= labels for labels in HARD_LABELS):
        levels = " and ".join(f"{one:g}" for one in np.unique(values))
        raise RefusedError(f"{where} must hold scores, found only {levels}: hard labels? Scores can be ranked")
    return values


def _guess(array: Array) -> str:
    """Return what an array that is not one column probably is."""
    if array.ndim != 2 or array.size == 0:
        return "hand in one number a user"
    if array.shape[1] == 1:
        return "one column; hand in scores.ravel()"
    if any(np.isin(array[:, number], (0, 1)).all() for number in range(array.shape[1])):
        return "an extra column of predicted classes? Hand in the scores alone"
    first = array[:, 0]
    if (first % 1 == 0).all() and len(np.unique(first)) == len(first):
        return "an extra column of user ids? Hand in the scores alone, in ascending user id"
    return "scores of several classes? Hand in that of the generated users alone"


def _check_count(found: int, n_users: int, where: str, settings: dict[str, Any]) -> None:
    if found == n_users:
        return
    rounds = [name for name, count in settings["earlier"].items() if count == found]
    why = ""
    if rounds and found != settings["n_ratings"]:
        why = f", as many as round {rounds[0]} has: scores of another round?"
    elif found == settings["n_ratings"] or found >= 3 * n_users:
        why = ": one score per rating row? Hand in one a user, in ascending user id"
    message = f"{where} must hold one score for each of the {n_users:,} users of round {settings['round']}"
    raise RefusedError(f"{message}, found {found:,}{why}")


def _in_order(named: list[str], users: Array, where: str, round_name: str) -> list[int]:
    """Return in which lines the users of a round stand, in the round's order."""
    line = {user: number for number, user in enumerate(named)}
    if len(line) < len(named):
        twice = next(user for number, user in enumerate(named) if line[user] != number)
        raise RefusedError(f"{where}: each user must have one score, found user {_shown(twice)} twice")
    missing = [str(user) for user in users if str(user) not in line]
    if missing:
        raise RefusedError(f"{where} must score the users of round {round_name}, found none for user {missing[0]}")
    return [line[str(user)] for user in users]


def _check_size(where: str, size: int, most: int) -> None:
    if not 0 <= size <= most:
        raise RefusedError(f"{where} must unpack to at most {most / MEGABYTE:g} MB, found {size / MEGABYTE:,.1f} MB")


def _notes(scores: Array) -> list[str]:
    if scores.min() == scores.max():
        return [f"every score is {scores[0]:g}: nobody is told from anybody, which is an AUC of 0.5"]
    flagged = scores >= THRESHOLD
    if flagged.any() and not flagged.all():
        return []
    who = "everyone" if flagged.any() else "no one"
    return [f"0.5 flags {who}: AUC stands, precision, recall and F1 say nothing; scale the scores"]


def _page(round_name: str, figures: dict[str, float], notes: list[str]) -> str:
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{value:.4f}</td></tr>" for name, value in figures.items())
    lines = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    title = html.escape(f"Round {round_name}")
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px sans-serif}th{text-align:left;padding-right:2em}</style>"
        f"<h1>{title}</h1><table>{rows}</table>{lines}</html>\n"
    )


def _shown(text: str) -> str:
    """Return a stranger's text short and in one line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
