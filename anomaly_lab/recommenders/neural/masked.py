"""Neural collaborative filtering on whole rows and columns of ratings, the rating asked for masked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.neural.layers import dense, embedding, leaky, run_dense
from anomaly_lab.recommenders.neural.rating_network import RatingNetwork, Rows, shares, squares
from anomaly_lab.recommenders.neural.training import Params

MOST_CELLS = 500_000_000
"""Users times items that training may take: it holds two dense matrices of them, 4 GB."""


@dataclass
class MaskedFiltering(RatingNetwork):
    """Base of networks on ratings: a user's row and an item's column of them, each through a dense layer.

    Ratings are centred on their mean, unknown ones are 0, and so is the one asked for: it is taken out of what the
    layer sums. Sums are divided by the root of how many they are of. The output is a sigmoid over the scale of ratings.
    """

    tuned_by_default: ClassVar[bool] = False
    reads_ratings: ClassVar[bool] = True
    has_gmf: ClassVar[bool] = True
    has_mlp: ClassVar[bool] = True

    learning_rate: Annotated[float, FloatDistribution(1e-4, 0.1, log=True)] = 0.002
    batch_size: Annotated[int, IntDistribution(64, 4096, log=True)] = 1024
    units: Annotated[int, IntDistribution(4, 128, log=True)] = 30
    layers: Annotated[int, IntDistribution(1, 5)] = 2

    def start(self, known: Interactions, rng: np.random.Generator) -> Params:
        """Return biases, the two encoders and what comes after them."""
        width = self.units * (self.has_gmf + self.has_mlp)
        middle = np.clip((known.mean - known.low) / (known.high - known.low), 0.01, 0.99)
        params = {
            "offset": np.float32(np.log(middle / (1 - middle))),
            "user_bias": np.zeros(known.n_users, dtype=np.float32),
            "item_bias": np.zeros(known.n_items, dtype=np.float32),
            "row_weights": embedding(known.n_items, width, rng, 0.1),
            "row_bias": np.zeros(width, dtype=np.float32),
            "column_weights": embedding(known.n_users, width, rng, 0.1),
            "column_bias": np.zeros(width, dtype=np.float32),
        }
        if self.has_gmf:
            params["gmf_weights"] = np.full(self.units, self.units**-0.5, dtype=np.float32)
        if self.has_mlp:
            params |= dense("mlp", (2 * self.units, *[self.units] * self.layers, 1), rng)
        return params

    def prepare(self, known: Interactions) -> Params:
        """Return the ratings as dense rows and columns, how many there are, and the scale."""
        if known.n_users * known.n_items > MOST_CELLS:
            raise DataError(
                f"masked networks take up to {MOST_CELLS:,} users times items, found {known.n_users:,} times "
                f"{known.n_items:,}; take the networks on ids: neumf, gmf or neural-mlp"
            )
        rows = np.zeros((known.n_users, known.n_items), dtype=np.float32)
        rows[known.users, known.items] = known.values - known.mean
        return {
            "rows": rows,
            "columns": np.ascontiguousarray(rows.T),
            "user_counts": known.user_counts.astype(np.float32),
            "item_counts": known.item_counts.astype(np.float32),
            "floor": np.float32((known.low - self.centre_) / self.spread_),
            "height": np.float32((known.high - known.low) / self.spread_),
            "share": np.float32(1 / len(known)),
            **shares(known),
        }

    def inputs_of(self, params: Params, inputs: Params) -> Params:
        """Return every row and column as the encoders sum it, in place of the ratings."""
        return {
            "user_sums": inputs["rows"] @ np.asarray(params["row_weights"]),
            "item_sums": inputs["columns"] @ np.asarray(params["column_weights"]),
            **{name: inputs[name] for name in ("user_counts", "item_counts", "floor", "height")},
        }

    @staticmethod
    def forward(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return a sigmoid, from the lowest to the highest rating, of biases and what the halves that there are say."""
        users, items = rows.users, rows.items
        user, item = _encode(params, inputs, rows)
        said = params["offset"] + params["user_bias"][users] + params["item_bias"][items]
        if "gmf_weights" in params:
            units = len(params["gmf_weights"])
            said += (user[:, :units] * item[:, :units]) @ params["gmf_weights"]
            user, item = user[:, units:], item[:, units:]
        if "mlp_0_weights" in params:
            said += run_dense(params, "mlp", jnp.concatenate([user, item], axis=1), leaky)[:, 0]
        return inputs["floor"] + inputs["height"] * jax.nn.sigmoid(said)

    @staticmethod
    def penalty(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return the squares of biases and encoders."""
        encoders = jnp.sum(params["row_weights"] ** 2) + jnp.sum(params["column_weights"] ** 2)
        return squares(params, inputs, rows) + inputs["share"] * encoders


def _encode(params: Params, inputs: Params, rows: Rows) -> tuple[Any, Any]:
    """Return users' rows and items' columns through their dense layers, the pairs' own ratings masked."""
    users, items, own, seen = rows
    row_weights, column_weights = params["row_weights"], params["column_weights"]
    if "rows" in inputs:
        user_sums, item_sums = inputs["rows"][users] @ row_weights, inputs["columns"][items] @ column_weights
    else:
        user_sums, item_sums = inputs["user_sums"][users], inputs["item_sums"][items]
    user_sums = (user_sums - own[:, None] * row_weights[items]) / _root(inputs["user_counts"][users] - seen)
    item_sums = (item_sums - own[:, None] * column_weights[users]) / _root(inputs["item_counts"][items] - seen)
    return leaky(user_sums + params["row_bias"]), leaky(item_sums + params["column_bias"])


def _root(counts: Any) -> Any:
    return jnp.sqrt(counts + 1)[:, None]


@dataclass
class MaskedNeuMF(MaskedFiltering):
    """NeuMF on whole rows and columns of ratings, the rating asked for masked out (He et al., 2017)."""

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"


@dataclass
class MaskedGMF(MaskedFiltering):
    """GMF on whole rows and columns of ratings, the rating asked for masked out (He et al., 2017)."""

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"
    has_mlp: ClassVar[bool] = False


@dataclass
class MaskedMLP(MaskedFiltering):
    """MLP on whole rows and columns of ratings, the rating asked for masked out (He et al., 2017)."""

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"
    has_gmf: ClassVar[bool] = False
