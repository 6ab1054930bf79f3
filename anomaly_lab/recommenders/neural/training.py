"""The one loop over epochs: shuffled minibatches in a jitted scan, stopped early on validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from anomaly_lab.recommenders.base import Report
from anomaly_lab.types import AnyArray

Params = dict[str, Any]
"""A network's arrays by name: of JAX while it is trained, of NumPy afterwards."""
Loss = Callable[[Params, Params, tuple[Any, ...], Any], Any]
"""From parameters, constant inputs, a minibatch of the columns and a random key to a number."""


@dataclass(frozen=True)
class Schedule:
    """How long and in which steps a network is trained.

    Parameters
    ----------
    optimizer : optax.GradientTransformation
        Turns gradients into steps.
    batch_size : int
        Rows a step.
    max_epochs : int
        The most passes over the rows.
    patience : int
        Passes without a better validation figure after which training stops.
    """

    optimizer: Any
    batch_size: int
    max_epochs: int
    patience: int


def train_network(
    loss: Loss,
    params: Params,
    columns: tuple[AnyArray, ...],
    *,
    inputs: Params,
    validate: Callable[[Params], float],
    schedule: Schedule,
    report: Report,
    rng: np.random.Generator,
) -> dict[str, AnyArray]:
    """Return the parameters of the epoch with the lowest validation figure.

    Parameters
    ----------
    loss : callable
        What a step lowers.
    params : dict of ndarray
        Where training starts.
    columns : tuple of ndarray of shape (n_rows, ...)
        What a minibatch is rows of.
    inputs : dict of ndarray
        What the loss needs and training leaves alone.
    validate : callable
        From parameters to a figure of held-out rows, the lower the better.
    schedule : Schedule
        Steps and epochs.
    report : callable
        Called after every epoch. A loss that is not finite is reported, too, and ends training.
    rng : Generator
        Draws the order of rows and the key of every minibatch.
    """
    n_rows = len(columns[0])
    batch_size = min(schedule.batch_size, n_rows)
    epoch_of = _epoch(loss, schedule.optimizer)
    device_columns, device_inputs, params = jax.tree.map(jnp.asarray, (columns, inputs, params))
    state = schedule.optimizer.init(params)
    best, lowest, best_epoch = params, math.inf, 0
    for epoch in range(1, schedule.max_epochs + 1):
        batches = _shuffled(n_rows, batch_size, rng)
        keys = jax.random.split(jax.random.key(int(rng.integers(2**31))), len(batches))
        params, state, mean_loss = epoch_of(params, state, device_columns, device_inputs, batches, keys)
        figures = {"loss": float(mean_loss), "validation": float(validate(params))}
        report(epoch, figures)
        if figures["validation"] < lowest or epoch == 1:
            best, lowest, best_epoch = params, figures["validation"], epoch
        if not all(map(math.isfinite, figures.values())) or epoch - best_epoch >= schedule.patience:
            break
    return {name: np.array(value) for name, value in best.items()}


def decaying(learning_rate: float, decay: float, n_rows: int, batch_size: int) -> Callable[[Any], Any]:
    """Return a learning rate of ``learning_rate / (1 + decay * epoch)``, epochs from 0.

    Parameters
    ----------
    learning_rate : float
        Of the first epoch.
    decay : float
        At least 0.
    n_rows, batch_size : int
        By which steps are counted as epochs.
    """
    steps = -(-n_rows // min(batch_size, n_rows))
    return lambda step: learning_rate / (1 + decay * (step // steps))


def _shuffled(n_rows: int, batch_size: int, rng: np.random.Generator) -> AnyArray:
    """Return every row at least once, shape (n_batches, batch_size); the first fill up the last batch."""
    order = rng.permutation(np.arange(n_rows, dtype=np.int32))
    n_batches = -(-n_rows // batch_size)
    return np.resize(order, (n_batches, batch_size))


def _epoch(loss: Loss, optimizer: Any) -> Any:
    """Return one pass over the rows as one compiled scan: a step a minibatch, and the mean of their losses."""

    def epoch(params: Params, state: Any, columns: Any, inputs: Params, batches: Any, keys: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            params, state = carry
            rows, key = batch
            picked = tuple(column[rows] for column in columns)
            value, gradient = jax.value_and_grad(loss)(params, inputs, picked, key)
            updates, state = optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        (params, state), losses = jax.lax.scan(step, (params, state), (batches, keys))
        return params, state, losses.mean()

    return jax.jit(epoch)
