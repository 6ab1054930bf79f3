"""Fitted recommenders in one file: arrays and JSON, nothing pickled, so that a file from elsewhere can run no code."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from anomaly_lab.errors import ConfigError, ContractError, DataError
from anomaly_lab.recommenders.base import Recommender
from anomaly_lab.registry import MODELS
from anomaly_lab.types import AnyArray

FORMAT = 1
_HEADER = "header"
_FITTED = re.compile(r"[A-Za-z][A-Za-z0-9_]*_")
_BROKEN = (
    *(ValueError, TypeError, LookupError, AttributeError, EOFError, OSError, RecursionError, MemoryError),
    zipfile.BadZipFile,
)

Arrays = dict[str, AnyArray]


def save_recommender(model: Recommender, name: str, path: str | Path) -> None:
    """Write a fitted recommender to a file, all of it or none.

    Parameters
    ----------
    model : Recommender
        Fitted: its attributes that end in an underscore are kept. Each is an array, a sparse array, a number, a text,
        None, or a dictionary, tuple or list of these.
    name : str
        The name it is registered by, to be found by again.
    path : str or Path
        The file, by custom ``.npz``.

    Raises
    ------
    ContractError
        If an attribute is something else.
    """
    arrays: Arrays = {}
    fitted = {
        attribute: _encode(value, arrays, f"{type(model).__name__}.{attribute}")
        for attribute, value in vars(model).items()
        if _FITTED.fullmatch(attribute)
    }
    params = {item.name: getattr(model, item.name) for item in fields(model) if item.init}
    header = json.dumps({"format": FORMAT, "name": name, "params": params, "fitted": fitted})
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_HEADER: np.array(header)}, **arrays)
    os.replace(unfinished, path)


def load_recommender(path: str | Path, model: type[Recommender] | None = None) -> Recommender:
    """Read a recommender that :func:`save_recommender` wrote.

    Parameters
    ----------
    path : str or Path
        The file; it need not be trusted.
    model : type, optional
        The recommender's class; by default the one that is registered by the name in the file.

    Returns
    -------
    model : Recommender
        As it was saved: it answers bit for bit as before.

    Raises
    ------
    DataError
        If the file is missing, broken or of another version, or the model is unknown or has other hyperparameters.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: must be a saved recommender, found no such file")
    try:
        header, arrays = _read(path)
        _check_format(header["format"], path)
        built = _build(model or _registered(header["name"], path), header["params"], path)
        for attribute, value in header["fitted"].items():
            _set(built, attribute, _decode(value, arrays))
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(
            f"{path}: must be a saved recommender, found a broken or other file ({_brief(error)})"
        ) from error
    return built


def _encode(value: Any, arrays: Arrays, where: str) -> dict[str, Any]:
    """Return what stands for a value in the header, and put its arrays to the others."""
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "O":
        key = f"array{len(arrays)}"
        arrays[key] = np.asarray(value)
        return {"scalar" if isinstance(value, np.generic) else "array": key}
    if isinstance(value, sparse.csr_array):
        parts = [_encode(part, arrays, where) for part in (value.data, value.indices, value.indptr)]
        return {"sparse": {"parts": parts, "shape": [int(length) for length in value.shape]}}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(part, arrays, f"{where}[{key!r}]") for key, part in value.items()}}
    if type(value) in (tuple, list):
        parts = [_encode(part, arrays, f"{where}[{place}]") for place, part in enumerate(value)]
        return {type(value).__name__: parts}
    raise ContractError(
        f"{where} must be numbers, text, NumPy or csr arrays, or dictionaries by text, tuples or lists of these, "
        f"found {type(value).__name__}; it cannot be saved"
    )


def _decode(code: dict[str, Any], arrays: Arrays) -> Any:
    """Return the value that a part of the header stands for."""
    ((kind, what),) = code.items()
    return _DECODERS[kind](what, arrays)


def _decode_sparse(code: dict[str, Any], arrays: Arrays) -> sparse.csr_array:
    matrix = sparse.csr_array(tuple(_decode(part, arrays) for part in code["parts"]), shape=tuple(code["shape"]))
    matrix.check_format(full_check=True)  # indices from elsewhere would be followed out of bounds
    return matrix


_DECODERS: dict[str, Callable[[Any, Arrays], Any]] = {
    "value": lambda value, _: value,
    "array": lambda key, arrays: arrays[key],
    "scalar": lambda key, arrays: arrays[key][()],
    "sparse": _decode_sparse,
    "dict": lambda codes, arrays: {key: _decode(code, arrays) for key, code in codes.items()},
    "tuple": lambda codes, arrays: tuple(_decode(code, arrays) for code in codes),
    "list": lambda codes, arrays: [_decode(code, arrays) for code in codes],
}


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Return the header and the arrays, none of them larger than the file."""
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("compressed")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(str(arrays.pop(_HEADER)))
    return dict(header), arrays


def _check_format(found: object, path: Path) -> None:
    if found != FORMAT:
        raise DataError(f"{path}: must be of format {FORMAT}, found {found}; fit and save it again")


def _registered(name: str, path: Path) -> type[Recommender]:
    try:
        model = MODELS.load(name)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from None
    if not (isinstance(model, type) and issubclass(model, Recommender)):
        raise DataError(f"{path}: must name a recommender, found '{name}', which is none")
    return model


def _build(model: type[Recommender], params: dict[str, Any], path: Path) -> Recommender:
    """Return the model with its hyperparameters, each of the type of its default."""
    plain = model()
    known = {item.name: getattr(plain, item.name) for item in fields(model) if item.init}
    for key, value in params.items():
        if key not in known:
            raise DataError(f"{path}: {model.__name__} has no parameter '{key}'; it has {', '.join(known) or 'none'}")
        params[key] = _like(known[key], value, f"{path}: parameter '{key}'")
    return model(**params)


def _like(default: Any, value: Any, where: str) -> Any:
    """Return a value from JSON, which knows no tuples, as the type of a default."""
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if default is None or value is None or type(value) is type(default):
        return value
    if type(default) is float and type(value) is int:
        return value
    raise DataError(f"{where} must be of type {type(default).__name__}, found {type(value).__name__}")


def _set(model: Recommender, attribute: str, value: Any) -> None:
    if not _FITTED.fullmatch(attribute):
        raise ValueError(f"an attribute {attribute!r}")
    setattr(model, attribute, value)


def _brief(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]
