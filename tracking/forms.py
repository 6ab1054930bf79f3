"""Forms: how each edition of the course wants its scores handed in, written and read again."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.types import AnyArray, FloatArray
from tracking.score_tables import read_table, write_table

THRESHOLD = 0.5
"""Users scoring at least this are flagged, by the course as by us."""

CODABENCH_MEMBER = "predictions.npz"
METADATA = {"metadata", "metadata.yaml"}
"""A zip that holds one of these is run as code by Codabench."""
HARD_LABELS = ({0.0, 1.0}, {-1.0, 1.0})
BROKEN = (ValueError, OSError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise over a file that is not what it claims to be."""


@dataclass(frozen=True)
class Form:
    """One way to hand scores in.

    Parameters
    ----------
    name : str
        What users type.
    suffix : str
        How its files end.
    key : str, optional
        Name of the array, where the file has names.
    per_class : bool
        Whether it holds a column a class, (n_users, n_kinds + 1), instead of one score a user.
    """

    name: str
    suffix: str
    key: str | None = None
    per_class: bool = False


FORMS = {
    form.name: form
    for form in (
        Form("arr_0", ".npz", "arr_0"),
        Form("predictions", ".npz", "predictions"),
        Form("npy", ".npy"),
        Form("csv", ".csv"),
        Form("codabench", ".zip", "predictions"),
        Form("probabilities", ".npz", "probabilities", per_class=True),
        Form("classes", ".npz", "arr_0", per_class=True),
    )
}
"""Every form by name; of those with one suffix, the first is meant by the suffix alone."""


@dataclass(frozen=True, eq=False)
class HandIn:
    """Scores read from a file.

    Parameters
    ----------
    scores : ndarray of shape (n_users,)
        One finite number a user, in ascending order of user ids.
    users : ndarray of shape (n_users,), optional
        User ids, ascending; only tables name them.
    """

    scores: FloatArray
    users: AnyArray | None = None


def choose_form(path: str | Path, name: str | None = None, key: str | None = None) -> Form:
    """Return the form in which to write a file.

    Parameters
    ----------
    path : path-like
        The file; its suffix says the form unless `name` does.
    name : str, optional
        A name of `FORMS`.
    key : str, optional
        Another name for the array, in an archive.

    Raises
    ------
    ConfigError
        If the suffix fits no form or another one than named, or a key is given where the file has none.
    """
    suffix = Path(path).suffix.lower()
    if name is not None and name not in FORMS:
        raise ConfigError(f"--form must be one of {', '.join(FORMS)}, found '{name}'")
    form = FORMS[name] if name else next((one for one in FORMS.values() if one.suffix == suffix), None)
    if form is None:
        suffixes = ", ".join(dict.fromkeys(one.suffix for one in FORMS.values()))
        raise ConfigError(f"{path}: scores must be written to a file ending in one of {suffixes}, found '{suffix}'")
    if form.suffix != suffix:
        raise ConfigError(f"{path}: form {form.name} must be written to a file ending in {form.suffix}")
    if key is None:
        return form
    if form.suffix != ".npz":
        raise ConfigError(f"{path}: --key names the array of an .npz; form {form.name} has no other key to give")
    return Form(key, form.suffix, key, form.per_class)


def write_scores(path: Path, users: AnyArray, scores: FloatArray, form: Form) -> None:
    """Write one score a user, or a row of class scores; the same scores give the same bytes.

    Parameters
    ----------
    path : Path
        The file.
    users : ndarray of shape (n_users,)
        User ids, ascending; only tables hold them.
    scores : ndarray of shape (n_users,) or (n_users, n_classes)
        In the order of `users`.
    form : Form
        How the file is made.
    """
    if form.suffix == ".csv":
        write_table(path, users, scores)
    elif form.suffix == ".npy":
        np.save(path, scores)
    elif form.suffix == ".npz":
        path.write_bytes(_archive(scores, str(form.key)))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(zipfile.ZipInfo(CODABENCH_MEMBER), _archive(scores, str(form.key)))


def read_scores(path: str | Path, key: str | None = None) -> HandIn:
    """Read one score a user from any form.

    Parameters
    ----------
    path : path-like
        ``.npz``, ``.npy``, ``.csv`` with columns user and score in any order of users, or Codabench's ``.zip``.
    key : str, optional
        Name of the array in an archive; by default ``arr_0``, ``predictions`` or ``probabilities``, whichever is there.

    Raises
    ------
    DataError
        If the file is missing or broken, the key is wrong, there is anything beside one number a user (a second column,
        class scores), a score is not finite, or all of them are hard labels.
    """
    scores, where, users = read_array(path, key)
    return HandIn(checked(scores, where), users)


def read_array(path: str | Path, key: str | None = None) -> tuple[AnyArray, str, AnyArray | None]:
    """Return what a file of scores holds, whatever its shape, how messages call it, and its users if it names them.

    Raises
    ------
    DataError
        If the file is missing or broken, or the key is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: must be a file of scores, found no such file")
    readers = {".npz": _read_npz, ".npy": _read_npy, ".zip": _read_bundle}
    suffix = path.suffix.lower()
    if suffix == ".csv":
        users, scores = read_table(path)
        return scores, str(path), users
    if suffix not in readers:
        raise DataError(f"{path}: scores must end in .npz, .npy, .csv or .zip, found '{suffix}'")
    try:
        return *readers[suffix](path, key), None
    except DataError:
        raise
    except BROKEN as error:
        if "allow_pickle" in str(error):
            raise DataError(f"{path}: must hold numbers, found Python objects, which are never unpickled") from None
        raise DataError(f"{path}: must be a file of scores, found a broken one ({error}); write it again") from error


def checked(scores: AnyArray, where: str) -> FloatArray:
    """Return scores as floats if they can be what a hand-in asks for: one finite number a user, not a decision.

    Raises
    ------
    DataError
        If not.
    """
    if scores.ndim != 1:
        raise DataError(f"{where}: must hold one score a user, (n_users,), found {scores.shape}; {_guess(scores)}")
    if scores.dtype.kind not in "fiub":
        raise DataError(f"{where}: scores must be numbers, found dtype {scores.dtype}")
    values = scores.astype(float)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}: scores must be finite, found {values[row]} in row {row} (counted from 0) "
            f"and {int(wrong.sum())} such in all"
        )
    if len(values) > 0 and any(set(np.unique(values)) <= labels for labels in HARD_LABELS):
        found = " and ".join(f"{one:g}" for one in np.unique(values))
        raise DataError(
            f"{where}: must hold scores, found only {found}: hard labels? "
            "Hand in decision scores or probabilities, which can be ranked"
        )
    return values


def threshold_notes(scores: FloatArray) -> list[str]:
    """Return a warning if 0.5 flags everyone or no one."""
    flagged = scores >= THRESHOLD
    if flagged.any() and not flagged.all():
        return []
    who = "everyone" if flagged.any() else "no one"
    return [f"0.5 flags {who}: AUC stands, precision, recall and F1 say nothing; scale the scores or set a --flag-rate"]


def _archive(scores: FloatArray, key: str) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{key: scores})  # type: ignore[arg-type]  # its stub takes any name for `allow_pickle`
    return buffer.getvalue()


def _read_npz(path: Path, key: str | None) -> tuple[AnyArray, str]:
    return _from_archive(path.read_bytes(), str(path), key)


def _read_npy(path: Path, key: str | None) -> tuple[AnyArray, str]:
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise DataError(f"{path}: must be a .npy of scores, found an archive under that name; call it .npz")
    return found, str(path)


def _read_bundle(path: Path, key: str | None) -> tuple[AnyArray, str]:
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
        for name in METADATA & set(names):
            raise DataError(f"{path}: must not hold a file '{name}': Codabench would run the hand-in as code")
        if CODABENCH_MEMBER not in names:
            raise DataError(f"{path}: must hold {CODABENCH_MEMBER}, found {', '.join(names) or 'nothing'}")
        return _from_archive(bundle.read(CODABENCH_MEMBER), f"{path}: {CODABENCH_MEMBER}", key)


def _from_archive(content: bytes, where: str, key: str | None) -> tuple[AnyArray, str]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        known = [key] if key else [form.key for form in FORMS.values() if form.key]
        here = [name for name in archive.files if name in known]
        if not here:
            wanted = " or ".join(f"'{name}'" for name in dict.fromkeys(known))
            found = ", ".join(f"'{name}'" for name in archive.files) or "none"
            raise DataError(f"{where}: must hold scores under key {wanted}, found {found}; say which with --key")
        return np.asarray(archive[here[0]]), f"{where}: key '{here[0]}'"


def _guess(scores: AnyArray) -> str:
    """Return what an array that is not one column probably is."""
    if scores.ndim != 2:
        return "hand in one number a user"
    if scores.shape[1] == 1:
        return "one column; hand in scores.ravel()"
    columns = [scores[:, number] for number in range(scores.shape[1])]
    if any(np.isin(column, (0, 1)).all() for column in columns):
        return "an extra column of predicted classes? Hand in the scores alone"
    first = columns[0]
    if scores.dtype.kind in "fiu" and (first % 1 == 0).all() and len(np.unique(first)) == len(first):
        return "an extra column of user ids? Hand in the scores alone, in ascending user id"
    return "scores of several classes? Hand in that of the generated users alone"
