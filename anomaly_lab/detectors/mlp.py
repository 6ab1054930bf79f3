"""Multi-layer perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import SupervisedDetector


@dataclass
class MLPDetector(SupervisedDetector):
    """Multi-layer perceptron of one or two hidden layers, trained by Adam (Kingma and Ba, 2015).

    Weights are held small (`alpha` is spread over a batch of 200 users): what it takes large weights to see in one
    round is gone in the next.
    """

    hidden: Annotated[int, IntDistribution(8, 128, log=True)] = 32
    layers: Annotated[int, IntDistribution(1, 2)] = 1
    activation: Annotated[str, CategoricalDistribution(("relu", "tanh"))] = "tanh"
    alpha: Annotated[float, FloatDistribution(0.1, 300.0, log=True)] = 20.0
    learning_rate: Annotated[float, FloatDistribution(3e-4, 1e-2, log=True)] = 3e-3

    def build(self, seed: int) -> Any:
        """Return the network."""
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(
            hidden_layer_sizes=(self.hidden,) * self.layers,
            activation=self.activation,
            alpha=self.alpha,
            learning_rate_init=self.learning_rate,
            max_iter=60,
            early_stopping=False,
            random_state=seed,
        )
