"""The one loop over epochs: shuffled minibatches in a jitted scan, stopped early on validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
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
        Turns gradients into steps: from `adam` or `descent`.
    batch_size : int
        Rows a step.
    max_epochs : int
        The most passes over the rows.
    patience : int
        Passes without a better validation figure after which training stops.
    memory : float
        In [0, 1): what is validated and returned is a moving average of the parameters after each pass, in which all
        before the last weigh this much together (Polyak and Juditsky, 1992). With 0 it is the last.
    """

    optimizer: Any
    batch_size: int
    max_epochs: int
    patience: int
    memory: float = 0.0


def train_network(
    loss: Loss,
    params: Params,
    columns: tuple[AnyArray, ...],
    *,
    inputs: Params,
    validate: Callable[[Params], float] | None,
    schedule: Schedule,
    report: Report,
    rng: np.random.Generator,
) -> dict[str, AnyArray]:
    """Return the parameters of the epoch with the lowest validation figure, of the last if nothing is validated.

    Networks whose loss and optimizer are equal, and whose columns fill as many batches, share one compilation.

    Parameters
    ----------
    loss : callable
        What a step lowers; hashable.
    params : dict of ndarray
        Where training starts.
    columns : tuple of ndarray of shape (n_rows, ...)
        What a minibatch is rows of.
    inputs : dict of ndarray
        What the loss needs and training leaves alone.
    validate : callable or None
        From parameters to a figure of held-out rows, the lower the better. With None every epoch is run.
    schedule : Schedule
        Steps and epochs.
    report : callable
        Called after every epoch. A loss that is not finite is reported, too, and ends training.
    rng : Generator
        Draws the order of rows and the key of every minibatch.
    """
    n_rows = len(columns[0])
    batch_size = min(schedule.batch_size, n_rows)
    columns = tuple(_padded(column, batch_size) for column in columns)
    device_columns, device_inputs, params = jax.tree.map(jnp.asarray, (columns, inputs, params))
    state = schedule.optimizer.init(params)
    best, lowest, best_epoch, averaged = params, math.inf, 0, params
    for epoch in range(1, schedule.max_epochs + 1):
        batches = _shuffled(n_rows, batch_size, rng)
        keys = jax.random.split(jax.random.key(int(rng.integers(2**31))), len(batches))
        params, state, mean_loss = _run_epoch(
            loss, schedule.optimizer, params, state, device_columns, device_inputs, batches, keys
        )
        averaged = params if epoch == 1 else _moved(averaged, params, schedule.memory)
        figures = {"loss": float(mean_loss)}
        if validate is not None:
            figures["validation"] = float(validate(averaged))
        report(epoch, figures)
        validation = figures.get("validation", -epoch)
        if validation < lowest or epoch == 1:
            best, lowest, best_epoch = averaged, validation, epoch
        if not all(map(math.isfinite, figures.values())) or epoch - best_epoch >= schedule.patience:
            break
    return {name: np.array(value) for name, value in best.items()}


def _moved(averaged: Params, params: Params, memory: float) -> Params:
    moved: Params = jax.tree.map(lambda old, new: memory * old + (1 - memory) * new, averaged, params)
    return moved


@cache
def adam(learning_rate: float, decay: float = 0.0, steps: int = 1) -> Any:
    """Return Adam (Kingma and Ba, 2015), the learning rate divided by ``1 + decay * epoch``, epochs from 0.

    Parameters
    ----------
    learning_rate : float
        Of the first epoch.
    decay : float
        At least 0.
    steps : int
        In an epoch.
    """
    return optax.adam(lambda step: learning_rate / (1 + decay * (step // steps)))


@cache
def descent(learning_rate: float, momentum: float = 0.0, decay: float = 0.0, steps: int = 1) -> Any:
    """Return gradient descent, the learning rate as for `adam`.

    Parameters
    ----------
    learning_rate, decay : float
        As for `adam`.
    momentum : float
        In [0, 1).
    steps : int
        In an epoch.
    """
    return optax.sgd(lambda step: learning_rate / (1 + decay * (step // steps)), momentum=momentum)


def _padded(column: AnyArray, batch_size: int) -> AnyArray:
    """Return a column with zeros that no batch picks, so that its length says no more than the number of batches."""
    rest = -len(column) % batch_size
    return np.pad(column, (0, rest)) if rest else column


def _shuffled(n_rows: int, batch_size: int, rng: np.random.Generator) -> AnyArray:
    """Return every row at least once, shape (n_batches, batch_size); the first fill up the last batch."""
    order = rng.permutation(np.arange(n_rows, dtype=np.int32))
    n_batches = -(-n_rows // batch_size)
    return np.resize(order, (n_batches, batch_size))


def _epoch(
    loss: Loss, optimizer: Any, params: Params, state: Any, columns: Any, inputs: Params, batches: Any, keys: Any
) -> Any:
    """Return parameters and state after a step for every minibatch, and the mean of their losses."""

    def step(carry: Any, batch: Any) -> Any:
        params, state = carry
        rows, key = batch
        picked = tuple(column[rows] for column in columns)
        value, gradient = jax.value_and_grad(loss)(params, inputs, picked, key)
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), value

    (params, state), losses = jax.lax.scan(step, (params, state), (batches, keys))
    return params, state, losses.mean()


_run_epoch = jax.jit(_epoch, static_argnums=(0, 1))
