"""The attack bank: simulated fakes of many kinds, as extra training classes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from anomaly_lab.attacks.base import MINIMUM
from anomaly_lab.attacks.item_sets import DROP_OUT, ITEM_SETS, by_popularity, mixed
from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.features.extract import fold_of, mask_bytes
from anomaly_lab.features.panel import NOT_RATED, Levels, kept_items, panel
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool
from anomaly_lab.types import AnyArray, Float32Array, IntArray

HYBRID = "hybrid"
STRAYS = "strays"
ITEM_SET_SHARES = dict(zip(ITEM_SETS, (0.4, 0.4, 0.2), strict=True))
"""How often each item set carries made-up ratings."""
STRAY_SHARE = (0.05, 0.4)
"""Share of a user's items that strays replace."""
MAX_SOURCES = 4_000
"""Real users that fakes are made from, at most."""
MATCHES = 12
"""Pairs looked at to find one whose hybrid has about the wanted length."""


@dataclass(frozen=True)
class BankSettings:
    """How many fakes of which kinds.

    Parameters
    ----------
    n_hybrids : int
        Hybrids of two real users with their ratings kept.
    n_per_kind : int
        Fakes of each rating kind.
    without : tuple of str
        Rating kinds left out, for asking what happens when a kind was not guessed.
    covered : float
        Share of hybrids whose second source is among the users that features compare with.
    seed : int
        Of the simulation.
    n_strays : int
        Real users some of whose items are replaced by any others.

    Raises
    ------
    ConfigError
        If a kind left out does not exist.
    """

    n_hybrids: int = 1000
    n_per_kind: int = 200
    without: tuple[str, ...] = ()
    covered: float = 0.3
    seed: int = 0
    n_strays: int = 300

    def __post_init__(self) -> None:
        for kind in self.without:
            if kind not in RATING_KINDS:
                raise ConfigError(f"there is no rating kind '{kind}'; known: {', '.join(RATING_KINDS)}")

    @property
    def sizes(self) -> dict[str, int]:
        """How many fakes of each part and rating kind, 0 for those left out."""
        kinds = {kind: 0 if kind in self.without else self.n_per_kind for kind in RATING_KINDS}
        return {HYBRID: self.n_hybrids, STRAYS: self.n_strays, **kinds}


@dataclass(frozen=True, eq=False)
class Simulated:
    """Simulated fakes.

    Parameters
    ----------
    levels : ndarray of int8, shape (n_fakes, n_items)
        Their ratings, -1 where there is none.
    fold : ndarray of shape (n_fakes,)
        The fold their sources belong to: features describe them beside reference users of the others.
    kinds : ndarray of str, shape (n_fakes,)
        ``hybrid``, ``strays``, or ``<item set>/<rating kind>``.
    items : ndarray of shape (n_items,), optional
        Which items of a population the columns are; by default the first ones.
    """

    levels: Levels
    fold: IntArray
    kinds: AnyArray
    items: IntArray | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the fakes."""
        items = b"" if self.items is None else self.items.tobytes()
        return hashlib.sha256(self.levels.tobytes() + self.fold.tobytes() + items).hexdigest()

    def parts(self, rows: Float32Array) -> dict[str, Float32Array]:
        """Return rows, one a fake, by part: ``strays``, ``hybrids``, ``bank`` (made-up ratings); none of them empty."""
        strays, hybrids = self.kinds == STRAYS, self.kinds == HYBRID
        parts = {"bank": rows[~(strays | hybrids)], "strays": rows[strays], "hybrids": rows[hybrids]}
        return {name: part for name, part in parts.items() if len(part)}

    def of_fold(self, number: int, like: RatingBatch) -> RatingBatch:
        """Return the fakes of one fold as a batch on the items of another."""
        levels = self.levels[self.fold == number]
        users, items = np.nonzero(levels >= 0)
        return RatingBatch(
            users=users.astype(np.int32),
            items=(items if self.items is None else self.items[items]).astype(np.int32),
            ratings=levels[users, items],
            user_ids=np.arange(len(levels)),
            item_ids=like.item_ids,
            profiles=np.zeros((len(levels), 2), dtype=np.uint64),
            scale=like.scale,
            source="simulated",
        )


def make_bank(pool: RatingPool, visible: IntArray, settings: BankSettings) -> Simulated:
    """Return a bank made from the known genuine users of a pool; from everyone not known to be generated, if none is.

    Beyond `MAX_ITEMS` items fakes have the most rated ones only, and beyond `MAX_SOURCES` users they are made from
    those whose profile digests come first, a random sample.

    Parameters
    ----------
    pool : RatingPool
        Everyone's ratings.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    settings : BankSettings
        How many of which kinds.
    """
    return _make_bank(pool, mask_bytes(visible), settings)


@lru_cache(maxsize=4)
def _make_bank(pool: RatingPool, labels: bytes, settings: BankSettings) -> Simulated:
    visible = np.frombuffer(labels, dtype=np.int8)
    real = np.flatnonzero(visible == 0 if (visible == 0).any() else visible != 1)[:MAX_SOURCES]
    chosen = np.zeros(pool.n_users, dtype=bool)
    chosen[real] = True
    sources = pool.ratings.select(chosen)
    items = kept_items(sources)
    source = Source(panel(sources, items), pool.ratings.scale)
    lengths = np.diff(pool.ratings.indptr)
    known = visible == 1
    made = simulate(source, fold_of(pool.ratings)[chosen], lengths[known if known.any() else chosen], settings)
    return replace(made, items=items)


def simulate(source: Source, folds: IntArray, lengths: Sequence[int] | IntArray, settings: BankSettings) -> Simulated:
    """Return a bank of simulated fakes.

    Parameters
    ----------
    source : Source
        Real users to make them from.
    folds : ndarray of shape (n_source_users,)
        The cross-fit fold of each source user.
    lengths : sequence of int
        Numbers of ratings that known fakes (or, where none is known, users) have.
    settings : BankSettings
        How many of which kinds.

    Raises
    ------
    DataError
        If no fake could be made.
    """
    made = []
    for number, (name, size) in enumerate(settings.sizes.items()):
        rng = np.random.default_rng([settings.seed, number])  # a part is the same whatever else is made
        maker = _Maker(source, folds, np.asarray(lengths), settings.covered, rng)
        made += [maker.make(name) for _ in range(size)]
    made = [one for one in made if (one[0] >= 0).sum() >= MINIMUM]
    if not made:
        raise DataError(
            f"a bank must hold at least one simulated fake, found none; ask for more of them, leave out fewer rating "
            f"kinds, or give real users with at least {MINIMUM} ratings"
        )
    levels = np.stack([one[0] for one in made])
    return Simulated(levels, np.array([one[1] for one in made]), np.array([one[2] for one in made]))


class _Maker:
    """Makes item sets; ratings of real users come along with them."""

    def __init__(
        self, source: Source, folds: IntArray, lengths: IntArray, covered: float, rng: np.random.Generator
    ) -> None:
        self.source, self.lengths, self.covered, self.rng = source, lengths, covered, rng
        self.folds = [(int(number), np.flatnonzero(folds == number)) for number in np.unique(folds)]

    def make(self, name: str) -> tuple[Levels, int, str]:
        """Return a fake, its fold and its kind."""
        if name == HYBRID:
            return *self.hybrid(), name
        if name == STRAYS:
            return *self.strays(), name
        profile, fold, item_set = self.items()
        if (profile >= 0).sum() >= MINIMUM:
            profile = RATING_KINDS[name](profile, self.source, self.rng)
        return profile, fold, f"{item_set}/{name}"

    def hybrid(self) -> tuple[Levels, int]:
        """Return an item-wise random half of one user and the other half of another, of a fake's usual length."""
        fold, members = self.folds[self.rng.integers(len(self.folds))]
        wanted = self._length()
        first = self.rng.choice(members, MATCHES)
        inside = self.rng.random(MATCHES) >= self.covered
        anyone = self.rng.integers(len(self.source.levels), size=MATCHES)
        second = np.where(inside, self.rng.choice(members, MATCHES), anyone)
        mean = (self.source.lengths[first] + self.source.lengths[second] + 1) / 2
        distance = np.abs(np.log(mean / wanted)) + np.where(first == second, np.inf, 0)
        best = int(np.argmin(distance))
        return mixed(self.source, first[best], second[best], self.rng), fold

    def strays(self) -> tuple[Levels, int]:
        """Return a user some of whose items are replaced by any others, rated as the user rates."""
        fold, members = self.folds[self.rng.integers(len(self.folds))]
        profile = self.source.levels[self.rng.choice(members)].copy()
        rated, free = np.flatnonzero(profile >= 0), np.flatnonzero(profile < 0)
        size = min(round(float(self.rng.uniform(*STRAY_SHARE)) * len(rated)), len(free))
        if not size:
            return profile, fold
        ratings = profile[rated]
        profile[self.rng.choice(rated, size, replace=False)] = NOT_RATED
        profile[self.rng.choice(free, size, replace=False)] = self.rng.choice(ratings, size)
        return profile, fold

    def items(self) -> tuple[Levels, int, str]:
        """Return a profile to put ratings on, its fold and the kind of its item set."""
        kind = self.rng.choice(list(ITEM_SET_SHARES), p=list(ITEM_SET_SHARES.values()))
        if kind == HYBRID:
            return *self.hybrid(), str(kind)
        fold, members = self.folds[self.rng.integers(len(self.folds))]
        if kind == "copy":
            profile = self.source.levels[self.rng.choice(members)].copy()
            profile[self.rng.random(len(profile)) < self.rng.choice(DROP_OUT)] = NOT_RATED
            return profile, fold, str(kind)
        size = int(np.clip(self._length(), MINIMUM, 0.9 * self.source.levels.shape[1]))
        return by_popularity(self.source, size, self.rng), fold, str(kind)

    def _length(self) -> float:
        return float(self.rng.choice(self.lengths) * np.exp(self.rng.normal(0, 0.25)))
