"""Random rounds: small, made on the spot, for conformance checks and tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.scale import STARS, RatingScale
from anomaly_lab.types import AnyArray, BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class RandomRound:
    """Ratings and labels of random raters as a file would hold them.

    Parameters
    ----------
    users, items, ratings : ndarray of shape (n_rows,)
        The rows. Users are called 0, 1, …; an item may be rated twice.
    fake : ndarray of shape (n_users,)
        0 for a genuine user; for a generated one 1, or its kind.
    scale : RatingScale
        What the ratings mean.
    """

    users: IntArray
    items: IntArray
    ratings: AnyArray
    fake: IntArray
    scale: RatingScale

    def keep(self, rows: BoolArray) -> RandomRound:
        """Return the round with some of its rows; every user keeps at least the first."""
        chosen = rows | (np.diff(self.users, prepend=-1) > 0)
        return replace(self, users=self.users[chosen], items=self.items[chosen], ratings=self.ratings[chosen])

    def read(self, name: str = "round", *, order: IntArray | None = None, ids: AnyArray | None = None) -> Round:
        """Return the round as a reader would.

        Parameters
        ----------
        name : str
            The round's name.
        order : ndarray of shape (n_rows,), optional
            In which order the rows stand in the file.
        ids : ndarray of shape (n_users,), optional
            What the users are called.
        """
        order = np.arange(len(self.users)) if order is None else order
        ids = np.arange(len(self.fake)) if ids is None else ids
        users, items, ratings = ids[self.users[order]], self.items[order], self.ratings[order]
        batch = RatingBatch.from_rows(users, items, ratings, scale=self.scale, source=name)
        return Round(batch, Labels.for_batch(batch, ids, self.fake), name)


@lru_cache(maxsize=16)
def random_round(
    scale: RatingScale = STARS,
    *,
    seed: int = 0,
    n_users: int = 120,
    n_items: int = 60,
    n_fakes: int = 24,
    n_kinds: int = 1,
) -> RandomRound:
    """Return random raters: genuine ones follow an item's appeal and quality, generated ones neither.

    The same settings give the same object, which is not to be changed: most checks ask for the same few rounds.

    Parameters
    ----------
    scale : RatingScale
        What the ratings mean.
    seed : int
        Seed of the round's randomness.
    n_users, n_items, n_fakes : int
        Its size; the first users are the generated ones.
    n_kinds : int
        Number of kinds that its labels name in turn; the kinds differ in nothing else.
    """
    rng = np.random.default_rng(seed)
    number = np.arange(n_users)
    fake = np.where(number < n_fakes, 1 + number % n_kinds, 0)
    appeal, quality = rng.dirichlet(np.full(n_items, 0.7)), rng.uniform(0.1, 0.9, n_items)
    users, items, opinions = [], [], []
    for user in range(n_users):
        chosen = rng.choice(n_items, rng.integers(8, 30), p=None if fake[user] else appeal)
        whim = rng.uniform(size=len(chosen))
        users.append(np.full(len(chosen), user))
        items.append(chosen)
        opinions.append(whim if fake[user] else np.clip(quality[chosen] + 0.4 * (whim - 0.5), 0, 0.999))
    levels = (np.concatenate(opinions) * scale.n_levels).astype(int)
    return RandomRound(np.concatenate(users), np.concatenate(items), np.asarray(scale.levels)[levels], fake, scale)
