"""Family *team*: columns that a team computed itself, read from a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.pool import RatingPool
from anomaly_lab.types import Float32Array


@dataclass(frozen=True, eq=False)
class TeamFeatures:
    """A team's own features: one row per user.

    Parameters
    ----------
    table : DataFrame
        Column ``user``, and one numeric column a feature. A user id that occurs in several rounds needs a column
        ``round`` (the file's stem) beside it.
    source : str
        The file, for messages.
    """

    table: pd.DataFrame
    source: str

    @classmethod
    def read(cls, path: str | Path) -> TeamFeatures:
        """Read a Parquet or CSV file.

        Raises
        ------
        DataError
            If the file cannot be read, has no column ``user``, or a feature is not a finite number.
        """
        path = Path(path)
        try:
            table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: must be a Parquet or CSV table of features, found: {error}") from None
        if "user" not in table.columns:
            raise DataError(f"{path}: must have a column 'user', found {', '.join(map(str, table.columns))}")
        for name in table.columns.difference(["user", "round"]):
            column = table[name]
            if not pd.api.types.is_numeric_dtype(column) or not np.isfinite(column.to_numpy(dtype=float)).all():
                raise DataError(f"{path}: column '{name}' must hold finite numbers only")
        return cls(table, str(path))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, ``team:<column>``."""
        return tuple(f"team:{name}" for name in self.table.columns if name not in ("user", "round"))

    @property
    def digest(self) -> str:
        """SHA-256 of the table."""
        return hashlib.sha256(pd.util.hash_pandas_object(self.table, index=False).to_numpy().tobytes()).hexdigest()

    def columns(self, pool: RatingPool) -> Float32Array:
        """Return the features in the order of a pool's users, shape (n_users, n_columns).

        Raises
        ------
        DataError
            If a user has no row, or more than one.
        """
        matrix = np.empty((pool.n_users, len(self.names)), dtype=np.float32)
        for number, batch in enumerate(pool.batches):
            table = self.table
            if "round" in table.columns:
                table = table[table["round"] == Path(batch.source).stem]
            rows = table.set_index("user").drop(columns="round", errors="ignore")
            if rows.index.has_duplicates:
                user = rows.index[rows.index.duplicated()][0]
                raise DataError(f"{self.source}: each user must have one row, found user {user} twice; add a 'round'")
            missing = pd.Index(batch.user_ids).difference(rows.index)
            if len(missing):
                raise DataError(
                    f"{self.source}: every user of {batch.source} must have a row, found none for {missing[0]}"
                )
            matrix[pool.positions(number)] = rows.loc[batch.user_ids].to_numpy(dtype=np.float32)
        return matrix
