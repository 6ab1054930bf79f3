"""Documents: YAML as Codabench reads it."""

from __future__ import annotations

from typing import Any


def to_yaml(content: object) -> bytes:
    """Return plain values as YAML; text that YAML would take for a date is quoted."""
    import yaml  # type: ignore[import-untyped]  # it comes without types

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text.encode()


def from_yaml(content: bytes) -> Any:
    """Return what a YAML document holds.

    Raises
    ------
    ValueError
        If it is none; the message is one line.
    """
    import yaml

    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
