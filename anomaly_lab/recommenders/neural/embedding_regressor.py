"""Embedding regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.neural.layers import dense, embedding, run_dense
from anomaly_lab.recommenders.neural.rating_network import RatingNetwork, Rows, squares
from anomaly_lab.recommenders.neural.training import Params


@dataclass
class EmbeddingRegressor(RatingNetwork):
    """Embedding regressor: the vectors of a user and an item through one wide layer (Guo and Berkhahn, 2016).

    Trained by gradient descent with momentum.
    """

    task: ClassVar[str] = "rating-prediction"
    extra: ClassVar[str] = "neural"

    learning_rate: Annotated[float, FloatDistribution(0.005, 0.3, log=True)] = 0.08
    momentum: Annotated[float, FloatDistribution(0.0, 0.99)] = 0.9
    l2: Annotated[float, FloatDistribution(1e-4, 10.0, log=True)] = 0.001
    batch_size: Annotated[int, IntDistribution(64, 4096, log=True)] = 1024
    max_epochs: Annotated[int, IntDistribution(1, 100, log=True)] = 25
    embedding_size: Annotated[int, IntDistribution(4, 128, log=True)] = 10
    hidden: Annotated[int, IntDistribution(32, 2048, log=True)] = 1024

    def start(self, known: Interactions, rng: np.random.Generator) -> Params:
        """Return two embeddings and two layers."""
        return {
            "user": embedding(known.n_users, self.embedding_size, rng),
            "item": embedding(known.n_items, self.embedding_size, rng),
            **dense("wide", (2 * self.embedding_size, self.hidden, 1), rng),
        }

    @staticmethod
    def forward(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return the output of the wide layer's sum."""
        vectors = jnp.concatenate([params["user"][rows.users], params["item"][rows.items]], axis=1)
        return run_dense(params, "wide", vectors, jax.nn.relu)[:, 0]

    def penalty(self, params: Params, inputs: Params, rows: Rows) -> Any:
        """Return the embeddings' squares, weighed."""
        return self.l2 * squares(params, inputs, rows)

    def optimizer(self, n_rows: int) -> Any:
        """Return gradient descent with momentum."""
        return optax.sgd(self.learning_rate, momentum=self.momentum)
