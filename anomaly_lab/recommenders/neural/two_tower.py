"""Two-tower network on what items are and what users like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optuna.distributions import CategoricalDistribution, FloatDistribution

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.neural.layers import dense, run_dense, unit
from anomaly_lab.recommenders.neural.rating_network import RatingNetwork, Rows
from anomaly_lab.recommenders.neural.training import Params, decaying
from anomaly_lab.types import Float32Array

TOWER = (256, 128, 64, 32)


@dataclass
class TwoTower(RatingNetwork):
    """Two towers: genres and mean rating of an item meet a user's mean and genre preferences (Covington et al., 2016).

    Towers end in vectors of length 1; their product is scaled and added to what the two means say, all learned.
    Item means are Bayesian averages: of an item's ratings and `prior_ratings` more that are the mean of all. What a
    user prefers is, genre by genre, how far the user's ratings lie from the items' means. A pair's own rating is taken
    out of both while the network is trained, for it will not be there when the network is asked.

    Parameters
    ----------
    prior_ratings : float
        Ratings a Bayesian average adds.
    decay : float
        How fast the learning rate falls: it is divided by ``1 + decay * epoch``.
    """

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"
    reads_ratings: ClassVar[bool] = True

    optimiser: Annotated[str, CategoricalDistribution(["adam", "sgd"])] = "adam"
    learning_rate: Annotated[float, FloatDistribution(1e-4, 0.3, log=True)] = 0.001
    decay: Annotated[float, FloatDistribution(0.0, 1.0)] = 0.1
    l2: Annotated[float, FloatDistribution(1e-8, 0.1, log=True)] = 1e-5
    prior_ratings: Annotated[float, FloatDistribution(0.5, 50.0, log=True)] = 5.0

    def start(self, known: Interactions, rng: np.random.Generator) -> Params:
        """Return two towers and what scales their product and the means."""
        n_genres = len(_genres(known)[0])
        return {
            **dense("tower_of_users", (2 * n_genres + 2, *TOWER), rng),
            **dense("tower_of_items", (n_genres + 2, *TOWER), rng),
            "scale": np.float32(0.5),
            "offset": np.float32(0.0),
            "mean_weights": np.full(2, 1 / self.spread_, dtype=np.float32),
        }

    def prepare(self, known: Interactions) -> Params:
        """Return sums and counts of ratings, by item, by user, and by user and genre."""
        genres = _genres(known)
        centred = (known.values - known.mean).astype(np.float32)
        item_sums = np.bincount(known.items, centred, known.n_items)
        item_means = item_sums / (known.item_counts + self.prior_ratings)
        above = centred - item_means[known.items]
        matrix = known.matrix.copy()
        matrix.data = above
        counts = known.matrix.copy()
        counts.data = np.ones_like(above)
        inputs = {
            "genres": genres,
            "prior": np.float32(self.prior_ratings),
            "item_sums": item_sums,
            "item_counts": known.item_counts,
            "item_means": item_means,
            "user_sums": np.bincount(known.users, above, known.n_users),
            "user_counts": known.user_counts,
            "genre_sums": matrix @ genres,
            "genre_counts": counts @ genres,
        }
        inputs = {name: np.asarray(value, dtype=np.float32) for name, value in inputs.items()}
        return inputs | _standards(inputs, known)

    def inputs_of(self, params: Params, inputs: Params) -> Params:
        """Return the same sums and counts."""
        return inputs

    @staticmethod
    def forward(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return the towers' product, scaled, and the weighted means."""
        user, item, means = _describe(inputs, rows)
        user = (user - inputs["user_centre"]) / inputs["user_spread"]
        item = (item - inputs["item_centre"]) / inputs["item_spread"]
        user = unit(run_dense(params, "tower_of_users", user, jax.nn.relu))
        item = unit(run_dense(params, "tower_of_items", item, jax.nn.relu))
        product = jnp.sum(user * item, axis=1)
        return params["scale"] * product + params["offset"] + means @ params["mean_weights"]

    def penalty(self, params: Params, inputs: Params, rows: Rows) -> Any:
        """Return the squares of the towers' weights, weighed."""
        return self.l2 * sum(jnp.sum(value**2) for name, value in params.items() if name.endswith("weights"))

    def optimizer(self, n_rows: int) -> Any:
        """Return Adam or gradient descent, with a learning rate that falls."""
        rate = decaying(self.learning_rate, self.decay, n_rows, self.batch_size)
        return optax.adam(rate) if self.optimiser == "adam" else optax.sgd(rate)


def _genres(known: Interactions) -> Float32Array:
    if known.content is None or not known.content.genres:
        raise DataError("two-tower needs the genres of the items, found none; give an item table that has them")
    return known.content.has_genre.astype(np.float32)


def _describe(inputs: Params, rows: Rows) -> tuple[Any, Any, Any]:
    """Return what is known of users, of items, and the two means, without the pairs' own ratings."""
    users, items, own, seen = rows
    prior, genres = inputs["prior"], inputs["genres"][items]
    above = own - seen * inputs["item_means"][items]
    n_user, n_item = inputs["user_counts"][users] - seen, inputs["item_counts"][items] - seen
    user_mean = (inputs["user_sums"][users] - above) / (n_user + prior)
    item_mean = (inputs["item_sums"][items] - own) / (n_item + prior)
    n_genre = inputs["genre_counts"][users] - seen[:, None] * genres
    liking = (inputs["genre_sums"][users] - above[:, None] * genres) / (n_genre + prior)
    share = n_genre / (n_user[:, None] + prior)
    user = jnp.concatenate([liking, share, jnp.stack([user_mean, jnp.log1p(n_user)], axis=1)], axis=1)
    item = jnp.concatenate([genres, jnp.stack([item_mean, jnp.log1p(n_item)], axis=1)], axis=1)
    return user, item, jnp.stack([user_mean, item_mean], axis=1)


def _standards(inputs: Params, known: Interactions) -> dict[str, Float32Array]:
    """Return mean and standard deviation of every number that is known of users and of items."""
    standards = {}
    for kind, position, size in (("user", 0, known.n_users), ("item", 1, known.n_items)):
        everyone, zeros = np.arange(size), np.zeros(size, dtype=np.int64)
        pairs = (everyone, zeros) if kind == "user" else (zeros, everyone)
        nothing = np.zeros(size, dtype=np.float32)
        described = np.asarray(_describe(inputs, Rows(*pairs, nothing, nothing))[position])
        standards[f"{kind}_centre"] = described.mean(axis=0)
        standards[f"{kind}_spread"] = described.std(axis=0) + np.float32(1e-6)
    return standards
