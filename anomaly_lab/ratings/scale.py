"""Rating scales: named levels in order, known before any arithmetic on ratings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.types import FloatArray


@dataclass(frozen=True)
class RatingScale:
    """The levels a rating can take, worst to best.

    Parameters
    ----------
    name : str
        How the scale is shown and recorded.
    levels : tuple of float
        Every level as it stands in files, in order of preference; a level that means "seen, rating unknown" comes last.
    unknown : float, optional
        The level that means "seen, rating unknown". It is a category of its own, never a number between two others.

    Raises
    ------
    DataError
        If a level is not finite, levels repeat, fewer than two are ordered, or `unknown` is not the last level.
    """

    name: str
    levels: tuple[float, ...]
    unknown: float | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.levels).all():
            raise DataError(f"the levels of scale '{self.name}' must be finite, found {format_levels(self.levels)}")
        if len(set(self.levels)) != len(self.levels):
            raise DataError(f"the levels of scale '{self.name}' must differ, found {format_levels(self.levels)}")
        if self.unknown is not None and (not self.levels or self.levels[-1] != self.unknown):
            raise DataError(f"the unknown level of scale '{self.name}' must be its last level")
        if self.n_ordered < 2 or len(self.levels) > 127:
            raise DataError(
                f"scale '{self.name}' must have 2 to 127 levels in order, found {format_levels(self.levels)}"
            )

    @property
    def n_levels(self) -> int:
        """Number of levels, the unknown one included."""
        return len(self.levels)

    @property
    def n_ordered(self) -> int:
        """Number of levels that have a place in the order."""
        return len(self.levels) - (self.unknown is not None)

    @property
    def values(self) -> FloatArray:
        """Each level as a number in [0, 1], shape (n_levels,); NaN for the unknown level.

        The levels are spread by their own numbers where these ascend (stars), evenly where they do not.
        """
        ordered = np.asarray(self.levels[: self.n_ordered], dtype=float)
        steps = np.diff(ordered)
        if not (steps > 0).all():
            ordered = np.arange(self.n_ordered, dtype=float)
        spread = (ordered - ordered[0]) / (ordered[-1] - ordered[0])
        return np.concatenate([spread, np.full(self.n_levels - self.n_ordered, np.nan)])

    def encode(self, ratings: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
        """Return the position of each rating among the levels, -1 where it is none of them."""
        order = np.argsort(self.levels)
        levels = np.asarray(self.levels)[order]
        place = np.clip(np.searchsorted(levels, ratings), 0, len(levels) - 1)
        return np.where(levels[place] == ratings, order[place], -1).astype(np.int8)

    def __str__(self) -> str:
        shown = format_levels(self.levels[: self.n_ordered])
        return self.name if self.unknown is None else f"{self.name} ({shown}; {self.unknown:g} = seen, rating unknown)"


STARS = RatingScale("stars", (0, 1, 2, 3, 4, 5))
HALF_STARS = RatingScale("half-stars", tuple(i / 2 for i in range(1, 11)))
TEN = RatingScale("ten", tuple(range(1, 11)))
LIKES = RatingScale("likes", (-1, 0, 1))
LIKES_WATCHED = RatingScale("likes-watched", (-10, 0, 10, 1), unknown=1)
NAMED_SCALES = {scale.name: scale for scale in (STARS, HALF_STARS, TEN, LIKES, LIKES_WATCHED)}


def format_levels(levels: Iterable[float]) -> str:
    """Return levels as a reader writes them: ``-1, 0, 1``."""
    return ", ".join(f"{level:g}" for level in levels)


def parse_scale(text: str) -> RatingScale:
    """Return the scale that a user named or spelled out.

    Parameters
    ----------
    text : str
        A name (``stars``), or levels in order separated by commas; a last level ending in ``?`` means "seen, rating
        unknown" (``-10,0,10,1?``).

    Raises
    ------
    DataError
        If `text` is neither.
    """
    if text in NAMED_SCALES:
        return NAMED_SCALES[text]
    parts = [part.strip() for part in text.split(",")]
    unknown = parts[-1].endswith("?")
    parts[-1] = parts[-1].removesuffix("?")
    try:
        levels = tuple(float(part) for part in parts)
    except ValueError:
        raise DataError(
            f"--scale must be one of {', '.join(NAMED_SCALES)} or levels in order such as -1,0,1, found '{text}'"
        ) from None
    for scale in NAMED_SCALES.values():
        if scale.levels == levels and (scale.unknown is not None) == unknown:
            return scale
    return RatingScale(text, levels, levels[-1] if unknown else None)


def infer_scale(ratings: Iterable[float]) -> RatingScale:
    """Return the one named scale that fits all ratings seen.

    Parameters
    ----------
    ratings : iterable of float
        The distinct ratings of *all* batches of a question together.

    Raises
    ------
    DataError
        If no named scale fits, or likes fit as well as numbers of stars ({0, 1}); the message names the flag that
        settles it. Among stars, half-stars and ten the first that fits is meant.
    """
    seen = sorted({float(rating) for rating in ratings})
    fitting = [scale for scale in NAMED_SCALES.values() if set(seen) <= set(scale.levels)]
    if not fitting:
        shown = f"{format_levels(seen[:12])}{', …' if len(seen) > 12 else ''}"
        raise DataError(
            f"the ratings {shown} fit no named scale ({', '.join(NAMED_SCALES)}); "
            "give the levels in order with --scale, such as --scale=-1,0,1"
        )
    if len(fitting) > 1 and not set(fitting) <= {STARS, HALF_STARS, TEN}:
        names = [scale.name for scale in fitting]
        raise DataError(
            f"the ratings {format_levels(seen)} fit {', '.join(names[:-1])} and {names[-1]} alike; "
            "say which with --scale"
        )
    return fitting[0]
