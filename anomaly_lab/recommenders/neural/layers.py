"""Layers of networks: starting values and what is computed with them, parameters by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from anomaly_lab.recommenders.neural.training import Params
from anomaly_lab.types import Float32Array

LEAK = 0.3
"""Slope of the leaky ReLU below 0, as in Keras."""


def embedding(n_rows: int, size: int, rng: np.random.Generator, scale: float = 0.05) -> Float32Array:
    """Return vectors of normal numbers, shape (n_rows, size).

    Parameters
    ----------
    n_rows, size : int
        How many vectors, and of how many numbers.
    rng : Generator
        Draws them.
    scale : float
        Their standard deviation.
    """
    return scale * rng.standard_normal((n_rows, size), dtype=np.float32)


def dense(name: str, sizes: Sequence[int], rng: np.random.Generator) -> dict[str, Float32Array]:
    """Return weights and biases of dense layers, uniform as by Glorot and Bengio (2010): ``name_0_weights`` and so on.

    Parameters
    ----------
    name : str
        What the layers' names start with.
    sizes : sequence of int
        Numbers that go in, and those that come out of every layer.
    rng : Generator
        Draws the weights.
    """
    params = {}
    for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
        limit = np.sqrt(6 / (n_in + n_out))
        params[f"{name}_{layer}_weights"] = rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32)
        params[f"{name}_{layer}_bias"] = np.zeros(n_out, dtype=np.float32)
    return params


def run_dense(params: Params, name: str, values: Any, activation: Any, *, last: Any = None) -> Any:
    """Return what comes out of dense layers.

    Parameters
    ----------
    params : dict of array
        With the layers of that name.
    name : str
        As given to `dense`.
    values : array of shape (n_rows, n_in)
        What goes in.
    activation : callable
        After every layer but the last.
    last : callable, optional
        After the last layer; without one it is linear.
    """
    n_layers = sum(key.startswith(f"{name}_") and key.endswith("_weights") for key in params)
    for layer in range(n_layers):
        values = values @ params[f"{name}_{layer}_weights"] + params[f"{name}_{layer}_bias"]
        after = activation if layer < n_layers - 1 else last
        values = values if after is None else after(values)
    return values


def leaky(values: Any) -> Any:
    """Return the leaky ReLU of values."""
    return jax.nn.leaky_relu(values, LEAK)


def unit(vectors: Any) -> Any:
    """Return vectors of length 1; a vector of zeros stays one, and has a gradient."""
    return vectors * jax.lax.rsqrt(jnp.sum(vectors**2, axis=-1, keepdims=True) + 1e-12)
