"""Settings of a study from a TOML file: the options of `anomaly-lab tune` under their own names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_lab.errors import ConfigError

KNOWN: dict[str, type | tuple[type, ...]] = {
    "rounds": list,
    "detectors": list,
    "families": list,
    "inductive": bool,
    "features": str,
    "trials": int,
    "jobs": int,
    "timeout": (int, float),
    "seed": int,
    "protocol": str,
    "kind_out": bool,
    "scale": str,
    "store": str,
    "task": str,
    "ratings": str,
    "items": str,
    "drop_genres": list,
    "task_options": list,
    "executor": str,
    "scheduler": str,
}


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML file.

    Paths in it are relative to the file.

    Raises
    ------
    ConfigError
        If the file is not TOML, a key or the type of its value is not known, or a list is empty.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: must be a TOML file of settings, found: {error}") from None
    for key, value in settings.items():
        if key not in KNOWN:
            raise ConfigError(f"{path}: there is no setting '{key}'; known: {', '.join(KNOWN)}")
        if not isinstance(value, KNOWN[key]) or (isinstance(value, bool) and KNOWN[key] is not bool):
            raise ConfigError(f"{path}: '{key}' must be of type {_name(KNOWN[key])}, found {value!r}")
        if isinstance(value, list) and not (value and all(isinstance(one, str) for one in value)):
            raise ConfigError(f"{path}: '{key}' must be a list of one or more strings, found {value!r}")
    return _resolve(settings, path.parent)


def _resolve(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    resolved = dict(settings)
    for key in ("features", "store", "ratings", "items"):
        if key in resolved:
            resolved[key] = str(folder / resolved[key])
    if "rounds" in resolved:
        resolved["rounds"] = [str(folder / name) for name in resolved["rounds"]]
    return resolved


def _name(kind: type | tuple[type, ...]) -> str:
    return kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)
