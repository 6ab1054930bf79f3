"""Neural collaborative filtering on ids: NeuMF and its halves, GMF and the MLP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.biases import fit_biases
from anomaly_lab.recommenders.neural.layers import dense, embedding, run_dense
from anomaly_lab.recommenders.neural.rating_network import RatingNetwork, Rows, squares
from anomaly_lab.recommenders.neural.training import Params


@dataclass
class NeuralFiltering(RatingNetwork):
    """Base of networks on ids: biases of user and item, and what two embeddings say together.

    He et al. (2017) rank by a sigmoid of the network; here it is what biases leave of a rating.
    """

    learning_rate: Annotated[float, FloatDistribution(1e-4, 0.3, log=True)] = 0.002
    l2: Annotated[float, FloatDistribution(0.01, 100.0, log=True)] = 15.0
    batch_size: Annotated[int, IntDistribution(64, 4096, log=True)] = 256
    patience: Annotated[int, IntDistribution(1, 10)] = 5
    factors: Annotated[int, IntDistribution(4, 128, log=True)] = 16
    layers: Annotated[int, IntDistribution(1, 4)] = 2

    has_gmf: ClassVar[bool] = True
    has_mlp: ClassVar[bool] = True

    def start(self, known: Interactions, rng: np.random.Generator) -> Params:
        """Return biases, for products damped ones, so that they start with what these leave, embeddings and layers."""
        params = {
            "user_bias": np.zeros(known.n_users, dtype=np.float32),
            "item_bias": np.zeros(known.n_items, dtype=np.float32),
        }
        if self.has_gmf:  # alone, the MLP learns biases better together with what it says: measured
            biases = fit_biases(known)
            params["user_bias"] = (biases.users / self.spread_).astype(np.float32)
            params["item_bias"] = (biases.items / self.spread_).astype(np.float32)
            params["user_gmf"] = embedding(known.n_users, self.factors, rng)
            params["item_gmf"] = embedding(known.n_items, self.factors, rng)
            params["gmf_weights"] = np.ones(self.factors, dtype=np.float32)
        if self.has_mlp:
            params["user_mlp"] = embedding(known.n_users, self.factors, rng)
            params["item_mlp"] = embedding(known.n_items, self.factors, rng)
            sizes = [max(2 * self.factors >> layer, 4) for layer in range(self.layers + 1)]
            params |= dense("mlp", (*sizes, 1), rng)
        return params

    @staticmethod
    def forward(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return biases and the sum of what the halves that there are say."""
        users, items = rows.users, rows.items
        said = params["user_bias"][users] + params["item_bias"][items]
        if "gmf_weights" in params:
            said += (params["user_gmf"][users] * params["item_gmf"][items]) @ params["gmf_weights"]
        if "user_mlp" in params:
            vectors = jnp.concatenate([params["user_mlp"][users], params["item_mlp"][items]], axis=1)
            said += run_dense(params, "mlp", vectors, jax.nn.relu)[:, 0]
        return said

    @staticmethod
    def penalty(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return the squares of biases and embeddings."""
        return squares(params, inputs, rows)


@dataclass
class NeuMF(NeuralFiltering):
    """NeuMF: weighted products of embeddings, and a network on two others, summed (He et al., 2017)."""

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"


@dataclass
class GMF(NeuralFiltering):
    """Generalised matrix factorisation: weighted products of two embeddings (He et al., 2017)."""

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"
    has_mlp: ClassVar[bool] = False


@dataclass
class NeuralMLP(NeuralFiltering):
    """Network on ids: two embeddings, side by side, through ever narrower layers (He et al., 2017)."""

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"
    has_gmf: ClassVar[bool] = False

    learning_rate: Annotated[float, FloatDistribution(1e-4, 0.3, log=True)] = 0.003
    l2: Annotated[float, FloatDistribution(0.01, 100.0, log=True)] = 10.0
    batch_size: Annotated[int, IntDistribution(64, 4096, log=True)] = 512
