"""Extraction: every user described beside reference users of other folds, once per question."""

from __future__ import annotations

import hashlib
import inspect
import os
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from anomaly_lab.errors import ContractError
from anomaly_lab.features.team import TeamFeatures
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


def cross_fit(pool: RatingPool, visible: IntArray, family: str) -> UserFeatures:
    """Return one family's features of every user of a pool.

    Each user is described beside the reference users of the other folds. Reference users are all but those *known* to
    be generated: known genuine ones and everyone whose label is hidden. Folds follow the profile's digest, so users
    with one profile, in whichever batch, never describe each other.

    Parameters
    ----------
    pool : RatingPool
        Everyone's ratings.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    family : str
        Name of a registered family.

    Raises
    ------
    ContractError
        If the family returns columns of the wrong shape, or values that are not finite.
    """
    describe = FEATURES.load(family)
    fold = (pool.ratings.profiles[:, 0] % np.uint64(N_FOLDS)).astype(np.int64)
    names: tuple[str, ...] = ()
    matrix: Float32Array | None = None
    for number in np.unique(fold):
        mine = fold == number
        reference = (visible != 1) & ~mine
        if not reference.any():  # a population this small has one fold only
            reference = visible != 1
        columns = describe(pool.ratings.select(mine), pool.ratings.select(reference))
        if matrix is None:
            names = tuple(columns)
            matrix = np.empty((pool.n_users, len(names)), dtype=np.float32)
        matrix[mine] = _checked(family, columns, names, int(mine.sum()))
    assert matrix is not None
    matrix.setflags(write=False)
    return UserFeatures(matrix, tuple(f"{family}:{name}" for name in names))


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

    A matrix is identified by the digest of the ratings, the family and the source of its code, **and the mask of
    visible labels**: a reference that knows more labels is another matrix.

    Parameters
    ----------
    families : sequence of str
        The families that models see unless they name their own.
    folder : Path, optional
        Where matrices are kept between processes.
    team : TeamFeatures, optional
        A team's own columns, appended to every matrix.
    """

    families: Sequence[str]
    folder: Path | None = None
    team: TeamFeatures | None = None
    _memory: OrderedDict[str, UserFeatures] = field(default_factory=OrderedDict, repr=False)

    def matrix(self, pool: RatingPool, visible: IntArray, families: Sequence[str] | None = None) -> UserFeatures:
        """Return the features of every user of a pool under some visible labels.

        Parameters
        ----------
        pool : RatingPool
            Everyone's ratings.
        visible : ndarray of shape (n_users,)
            1 known to be generated, 0 known to be genuine, -1 hidden.
        families : sequence of str, optional
            The families; by default the store's own, and the team's columns with them.
        """
        wanted = tuple(families) if families is not None else tuple(self.families)
        parts = [self._family(pool, visible, family) for family in wanted]
        if families is None and self.team is not None:
            parts.append(UserFeatures(self.team.columns(pool), self.team.names))
        if len(parts) == 1:
            return parts[0]
        names = tuple(name for part in parts for name in part.names)
        return UserFeatures(np.hstack([part.matrix for part in parts]), names)

    def _family(self, pool: RatingPool, visible: IntArray, family: str) -> UserFeatures:
        key = _key(pool, visible, family)
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        found = self._read(key)
        if found is None:
            found = cross_fit(pool, visible, family)
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


def _key(pool: RatingPool, visible: IntArray, family: str) -> str:
    digest = hashlib.sha256(pool.digest.encode())
    digest.update(np.ascontiguousarray(visible, dtype=np.int8).tobytes())
    digest.update(f"{family} {N_FOLDS} {_source(family)}".encode())
    return digest.hexdigest()[:40]


def _source(family: str) -> str:
    """Return the code of a family, so that a changed family is never served from the cache."""
    module = inspect.getmodule(FEATURES.load(family))
    return inspect.getsource(module) if module is not None else FEATURES.get(family).target
