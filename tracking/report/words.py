"""Words: how figures and names stand in a sentence or an id."""

from __future__ import annotations

import re
from collections.abc import Sequence


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign, a real minus sign among them."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float) -> str:
    """Return an interval: ``0.850 to 0.870``."""
    return f"{low:.3f} to {high:.3f}"


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: ``a, b or c``."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def sentence(words: str) -> str:
    """Return words as a sentence."""
    return words[0].upper() + words[1:] + "."


def slug(name: str) -> str:
    """Return a name as part of an id: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
