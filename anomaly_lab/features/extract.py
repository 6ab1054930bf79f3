"""Extraction: every user described beside reference users of other folds, once per question."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from anomaly_lab.errors import ConfigError, ContractError
from anomaly_lab.features.known_items import known_items, on_items
from anomaly_lab.features.sums import Reference
from anomaly_lab.features.team import TeamFeatures
from anomaly_lab.provenance import code_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool
from anomaly_lab.registry import FEATURES
from anomaly_lab.types import AnyArray, Float32Array, IntArray

N_FOLDS = 4
"""Users of one fold are described beside reference users of the other three."""

MATRICES_IN_MEMORY = 24


@dataclass(frozen=True, eq=False)
class UserFeatures:
    """A matrix of features with named columns.

    Parameters
    ----------
    matrix : ndarray of shape (n_users, n_features), float32
        Finite; rows in the order of the pool's users.
    names : tuple of str
        ``family:column``.
    """

    matrix: Float32Array
    names: tuple[str, ...]


class Fakes(Protocol):
    """Simulated users that are described beside the same reference users as real ones."""

    @property
    def fold(self) -> IntArray:
        """The cross-fit fold that each is described in, shape (n_fakes,)."""

    @property
    def digest(self) -> str:
        """Identifies them."""

    def of_fold(self, number: int, like: RatingBatch) -> RatingBatch:
        """Return those described in one fold as a batch on the items of another."""


def fold_of(ratings: RatingBatch) -> IntArray:
    """Return the cross-fit fold of each user, by the profile's digest, shape (n_users,)."""
    return (ratings.profiles[:, 0] % np.uint64(N_FOLDS)).astype(np.int64)


def cross_fit(
    pool: RatingPool,
    visible: IntArray,
    family: str,
    fakes: Fakes | None = None,
    *,
    threads: int = 1,
    inductive: bool = False,
) -> UserFeatures:
    """Return one family's features of every user of a pool, or of simulated users beside it.

    Each user is described beside the reference users of the other folds. Reference users are all but those *known* to
    be generated: known genuine ones and everyone whose label is hidden (transductive), or known genuine ones only
    (inductive), on the items that users with a visible label rated (see `on_items`). Folds follow the profile's digest,
    so users with one profile, in whichever batch, never describe each other.

    Parameters
    ----------
    pool : RatingPool
        Everyone's ratings.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    family : str
        Name of a registered family.
    fakes : Fakes, optional
        Simulated users to describe instead, each in its own fold.
    threads : int
        Folds described at a time; the result does not depend on it.
    inductive : bool
        Whether users whose label is hidden are described as if each were alone.

    Raises
    ------
    ConfigError
        If it is inductive and nobody is known to be genuine.
    ContractError
        If the family returns columns of the wrong shape, or values that are not finite.
    """
    fold = fold_of(pool.ratings) if fakes is None else fakes.fold
    folds = [one for one in _folds(pool, mask_bytes(visible), inductive) if (fold == one[0]).any()]

    def users_of(number: int, users: RatingBatch) -> RatingBatch:
        if fakes is None:
            return users
        users = fakes.of_fold(number, pool.ratings)
        return on_items(users, known_items(pool, visible)) if inductive else users

    return describe_folds(
        family, fold, [(number, users_of(number, users), beside) for number, users, beside in folds], threads=threads
    )


def describe_folds(
    family: str, fold: IntArray, folds: Sequence[tuple[int, RatingBatch, Reference]], *, threads: int = 1
) -> UserFeatures:
    """Return one family's features of users, those of each fold beside a reference of its own.

    Parameters
    ----------
    family : str
        Name of a registered family.
    fold : ndarray of shape (n_users,)
        Of each user.
    folds : sequence of (int, RatingBatch, RatingBatch or ReferenceSums)
        Number, users and reference of each fold that has a user.
    threads : int
        Folds described at a time.

    Raises
    ------
    ContractError
        If the family returns columns of the wrong shape, or values that are not finite.
    """
    describe = FEATURES.load(family)
    with ThreadPoolExecutor(threads) as executor:
        described = list(executor.map(lambda one: describe(one[1], one[2]), folds))
    names = tuple(described[0])
    matrix = np.empty((len(fold), len(names)), dtype=np.float32)
    for (number, _, _), columns in zip(folds, described, strict=True):
        mine = fold == number
        matrix[mine] = _checked(family, columns, names, int(mine.sum()))
    matrix.setflags(write=False)
    return UserFeatures(matrix, tuple(f"{family}:{name}" for name in names))


def mask_bytes(visible: IntArray) -> bytes:
    """Return a mask of visible labels as bytes, by which what depends on it is kept."""
    return np.ascontiguousarray(visible, dtype=np.int8).tobytes()


@lru_cache(maxsize=3)
def _folds(pool: RatingPool, visible: bytes, inductive: bool) -> list[tuple[int, RatingBatch, RatingBatch]]:
    """Return each fold's users and reference; kept, so that families may keep what they learn of a reference."""
    fold, labels, ratings = fold_of(pool.ratings), np.frombuffer(visible, dtype=np.int8), pool.ratings
    described = labels != 1
    if inductive:
        described, ratings = labels == 0, on_items(ratings, known_items(pool, labels))
        if not described.any():
            raise ConfigError("an inductive run must know some users to be genuine, found none; leave --inductive out")
    folds = []
    for number in np.unique(fold):
        mine = fold == number
        reference = described & ~mine
        if not reference.any():  # a population this small has one fold only
            reference = described
        folds.append((int(number), ratings.select(mine), ratings.select(reference)))
    return folds


def _checked(family: str, columns: dict[str, AnyArray], names: tuple[str, ...], n_users: int) -> Float32Array:
    if tuple(columns) != names:
        raise ContractError(f"feature family '{family}' must return the same columns for every fold, found {columns}")
    for name, column in columns.items():
        if np.shape(column) != (n_users,):
            raise ContractError(
                f"feature family '{family}', column '{name}' must have shape ({n_users},), found {np.shape(column)}"
            )
        if not np.isfinite(column).all():
            raise ContractError(f"feature family '{family}', column '{name}' must be finite, found NaN or infinity")
    return np.column_stack([np.asarray(column, dtype=np.float32) for column in columns.values()])


@dataclass
class FeatureStore:
    """Features by content: computed once, kept in memory and, if a folder is given, on disk.

    A matrix is identified by the digest of the ratings, the family and its package's code, whether it is inductive,
    **and the mask of visible labels**: a reference that knows more labels is another matrix.

    Parameters
    ----------
    families : sequence of str
        The families that models see unless they name their own.
    folder : Path, optional
        Where matrices are kept between processes.
    team : TeamFeatures, optional
        A team's own columns, appended to every matrix.
    threads : int
        Folds described at a time, where one process has the machine to itself.
    only : sequence of str, optional
        The families that are switched on: a model that names its own sees these of them. By default all it names.
    inductive : bool
        Whether users whose label is hidden are described as if each were alone: they belong to no reference, and
        nothing is learnt from their ratings. By default they do (transductive): they are most of what is known about
        the round that is asked about.
    """

    families: Sequence[str]
    folder: Path | None = None
    team: TeamFeatures | None = None
    threads: int = 1
    only: Sequence[str] | None = None
    inductive: bool = False
    _memory: OrderedDict[str, UserFeatures] = field(default_factory=OrderedDict, repr=False)

    def seen(self, named: Sequence[str] | None) -> tuple[str, ...]:
        """Return the families that a model sees: of those it names, the ones switched on; else the store's own.

        Parameters
        ----------
        named : sequence of str or None
            The families that the model names as its own; None if it names none.

        Raises
        ------
        ConfigError
            If none of those it names is switched on.
        """
        if named is None:
            return tuple(self.families)
        if self.only is None:
            return tuple(named)
        seen = tuple(family for family in named if family in self.only)
        if not seen:
            raise ConfigError(
                f"--families must name at least one of the detector's own families ({', '.join(named)}), "
                f"found {', '.join(self.only)}"
            )
        return seen

    def matrix(self, pool: RatingPool, visible: IntArray, families: Sequence[str] | None = None) -> UserFeatures:
        """Return the features of every user of a pool under some visible labels.

        Parameters
        ----------
        pool : RatingPool
            Everyone's ratings.
        visible : ndarray of shape (n_users,)
            1 known to be generated, 0 known to be genuine, -1 hidden.
        families : sequence of str, optional
            The families a model names as its own, of which it gets those switched on (see `seen`); by default the
            store's own, and the team's columns with them.
        """
        parts = [self._family(pool, visible, family) for family in self.seen(families)]
        if families is None and self.team is not None:
            parts.append(UserFeatures(self.team.columns(pool), self.team.names))
        if len(parts) == 1:
            return parts[0]
        names = tuple(name for part in parts for name in part.names)
        return UserFeatures(np.hstack([part.matrix for part in parts]), names)

    def fakes(
        self, pool: RatingPool, visible: IntArray, fakes: Fakes, families: Sequence[str] | None = None
    ) -> UserFeatures:
        """Return the features of simulated users, the same columns as `matrix` without the team's.

        Parameters
        ----------
        pool, visible, families
            As for `matrix`.
        fakes : Fakes
            The simulated users.
        """
        parts = [self._family(pool, visible, family, fakes) for family in self.seen(families)]
        names = tuple(name for part in parts for name in part.names)
        return UserFeatures(np.hstack([part.matrix for part in parts]), names)

    def _family(self, pool: RatingPool, visible: IntArray, family: str, fakes: Fakes | None = None) -> UserFeatures:
        key = _key(pool, visible, family, "" if fakes is None else fakes.digest, self.inductive)
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        found = self._read(key)
        if found is None:
            found = cross_fit(pool, visible, family, fakes, threads=self.threads, inductive=self.inductive)
            self._write(key, found)
        self._memory[key] = found
        while len(self._memory) > MATRICES_IN_MEMORY:
            self._memory.popitem(last=False)
        return found

    def _read(self, key: str) -> UserFeatures | None:
        path = None if self.folder is None else self.folder / f"{key}.npz"
        if path is None or not path.exists():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return UserFeatures(stored["matrix"], tuple(str(name) for name in stored["names"]))

    def _write(self, key: str, features: UserFeatures) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".tmp", delete=False) as file:
            np.savez(file, matrix=features.matrix, names=np.asarray(features.names))
        os.replace(file.name, self.folder / f"{key}.npz")


def _key(pool: RatingPool, visible: IntArray, family: str, fakes: str, inductive: bool) -> str:
    digest = hashlib.sha256(pool.digest.encode())
    digest.update(mask_bytes(visible))
    digest.update(f"{family} {fakes} {inductive} {N_FOLDS} {code_of(FEATURES.load(family))}".encode())
    return digest.hexdigest()[:40]
