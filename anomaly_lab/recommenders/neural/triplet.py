"""Triplet loss with real negatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.recommenders.neural.layers import embedding, unit
from anomaly_lab.recommenders.neural.training import Params, Schedule, train_network
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

NEGATIVES_PER_POSITIVE = 20
"""Items each held-out positive is compared with to decide when to stop."""


@dataclass
class TripletRecommender(Recommender):
    """Triplet loss: a user's vector is nearer to an item rated than to one that is not (Weinberger and Saul, 2009).

    Nearness is the cosine. A triplet's negative is the nearest to the user among some candidates that the user has not
    rated: the hardest, and one candidate is a random negative.

    Parameters
    ----------
    negatives : {"uniform", "popularity"}
        Whether candidates are drawn from all items alike or by how often they are rated.
    candidates : int
        How many are drawn for a triplet.
    history : int
        How many of the user's other items are drawn for a triplet: the mean of their vectors is added to the user's
        own, as by Koren (2008). With 0 a user has the own vector only.
    metadata : bool
        Whether a vector for each genre, where genres are known, is added to an item's own.
    """

    task: ClassVar[str] = "implicit-ranking"
    extra: ClassVar[str] = "neural"

    factors: Annotated[int, IntDistribution(8, 256, log=True)] = 64
    margin: Annotated[float, FloatDistribution(0.05, 1.0)] = 0.5
    negatives: Annotated[str, CategoricalDistribution(["uniform", "popularity"])] = "uniform"
    candidates: Annotated[int, IntDistribution(1, 16, log=True)] = 4
    history: Annotated[int, IntDistribution(0, 64)] = 20
    metadata: Annotated[bool, CategoricalDistribution([False, True])] = False
    learning_rate: Annotated[float, FloatDistribution(1e-4, 0.1, log=True)] = 0.003
    batch_size: Annotated[int, IntDistribution(64, 4096, log=True)] = 512
    max_epochs: Annotated[int, IntDistribution(1, 200, log=True)] = 60
    patience: Annotated[int, IntDistribution(1, 10)] = 4
    users_: Float32Array = field(init=False, repr=False)
    items_: Float32Array = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> TripletRecommender:
        """Train on some positives until others are told from negatives no better."""
        known, held_out = train.parts(rng)
        self.n_items_ = known.n_items
        params = train_network(
            self._loss,
            self._start(known, rng),
            (known.users, known.items),
            inputs=self._inputs(known),
            validate=_Validation(known, held_out, rng, with_history=self.history > 0),
            schedule=Schedule(optax.adam(self.learning_rate), self.batch_size, self.max_epochs, self.patience),
            report=train.report,
            rng=rng,
        )
        trained = {**params, "user": _with_mean(params["user"], known.user_counts)}
        self.users_, self.items_ = _vectors(trained, known, with_history=self.history > 0)
        return self

    def rank(self, users: AnyArray) -> FloatArray:
        """Return cosines, shape (n_users, n_items)."""
        return (self.users_[users] @ self.items_.T).astype(np.float64)

    def item_vectors(self) -> FloatArray:
        """Return a vector of length 1 an item, shape (n_items, factors)."""
        return self.items_.astype(np.float64)

    def _start(self, known: Interactions, rng: np.random.Generator) -> Params:
        params = {
            "user": embedding(known.n_users, self.factors, rng),
            "item": embedding(known.n_items, self.factors, rng),
        }
        if self.metadata and known.content is not None:
            params["genre"] = embedding(len(known.content.genres), self.factors, rng)
        return params

    def _inputs(self, known: Interactions) -> Params:
        starts = np.searchsorted(known.users, np.arange(known.n_users + 1)).astype(np.int32)
        return {"starts": starts, "rated": known.items, "genres": _genres(known)}

    def _loss(self, params: Params, inputs: Params, batch: tuple[Any, ...], key: Any) -> Any:
        users, items = batch
        shape = (len(users), self.candidates)
        if self.negatives == "uniform":
            drawn = jax.random.randint(key, shape, 0, len(params["item"]))
        else:
            drawn = inputs["rated"][jax.random.randint(key, shape, 0, len(inputs["rated"]))]
        user = unit(params["user"][users] + self._history(params, inputs, batch, key))
        nearness = jnp.einsum("bf,bkf->bk", user, _item(params, inputs["genres"], drawn))
        nearness = jnp.where(_has_rated(inputs, users, drawn), -jnp.inf, nearness).max(axis=1)
        wanted = jnp.sum(user * _item(params, inputs["genres"], items), axis=1)
        return jnp.mean(jax.nn.relu(self.margin - wanted + nearness))

    def _history(self, params: Params, inputs: Params, batch: tuple[Any, ...], key: Any) -> Any:
        """Return the mean vector of some of the user's items, the triplet's own left out."""
        if self.history == 0:
            return 0.0
        users, items = batch
        first, last = inputs["starts"][users][:, None], inputs["starts"][users + 1][:, None]
        drawn = inputs["rated"][jax.random.randint(jax.random.fold_in(key, 1), (len(users), self.history), first, last)]
        counts = (drawn != items[:, None])[:, :, None]
        vectors = _item(params, inputs["genres"], drawn)
        return jnp.sum(vectors * counts, axis=1) / jnp.maximum(jnp.sum(counts, axis=1), 1)


class _Validation:
    """Share of held-out positives and random negatives that stand in the wrong order: one less the AUC."""

    def __init__(
        self, known: Interactions, held_out: Interactions, rng: np.random.Generator, *, with_history: bool
    ) -> None:
        negatives = rng.integers(0, known.n_items, (len(held_out), NEGATIVES_PER_POSITIVE))
        self.known, self.with_history = known, with_history
        self.users, self.positives, self.negatives = held_out.users, held_out.items, negatives
        keys = known.users.astype(np.int64) * known.n_items + known.items
        of_user = held_out.users.astype(np.int64)[:, None] * known.n_items + negatives
        self.counts = ~np.isin(of_user, keys) & (negatives != held_out.items[:, None])

    def __call__(self, params: Params) -> float:
        """Return the share."""
        users, items = _vectors(params, self.known, with_history=self.with_history)
        user = users[self.users]
        positive = np.einsum("nf,nf->n", user, items[self.positives])[:, None]
        negative = np.stack([np.einsum("nf,nf->n", user, items[column]) for column in self.negatives.T], axis=1)
        wrong = (negative > positive) + 0.5 * (negative == positive)
        return float(wrong[self.counts].mean())


def _item(params: Params, genres: Any, items: Any) -> Any:
    """Return unit vectors of items: their own, and their genres' mean where there are genres."""
    own = params["item"][items]
    return unit(own + genres[items] @ params["genre"] if "genre" in params else own)


def _vectors(params: Params, known: Interactions, *, with_history: bool) -> tuple[Float32Array, Float32Array]:
    """Return unit vectors of all users and all items."""
    users, items = np.array(params["user"]), np.array(_item(params, _genres(known), slice(None)))
    if with_history:
        counts = np.maximum(known.user_counts, 1)[:, None].astype(np.float32)
        users += (known.matrix.astype(bool) @ items) / counts
    return np.array(unit(users)), items


def _genres(known: Interactions) -> Float32Array:
    """Return each item's genres as shares that sum to 1, shape (n_items, n_genres); none where they are unknown."""
    if known.content is None:
        return np.zeros((known.n_items, 0), dtype=np.float32)
    has = known.content.has_genre.astype(np.float32)
    shares: Float32Array = has / np.maximum(has.sum(axis=1, keepdims=True), 1)
    return shares


def _has_rated(inputs: Params, users: Any, items: Any) -> Any:
    """Return whether each user has rated each of some items, by bisection in the user's ascending items."""
    rated, starts = inputs["rated"], inputs["starts"]
    low = jnp.broadcast_to(starts[users][:, None], items.shape)
    end = starts[users + 1][:, None]

    def halve(_: int, bounds: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = bounds
        middle = (low + high) // 2
        below = (middle < high) & (rated[jnp.minimum(middle, len(rated) - 1)] < items)
        return jnp.where(below, middle + 1, low), jnp.where(below, high, middle)

    high = jnp.broadcast_to(end, items.shape)
    low, _ = jax.lax.fori_loop(0, len(rated).bit_length(), halve, (low, high))
    return (low < end) & (rated[jnp.minimum(low, len(rated) - 1)] == items)


def _with_mean(vectors: AnyArray, counts: AnyArray) -> AnyArray:
    """Return vectors in which those never trained are the mean of the others."""
    return np.where(counts[:, None] > 0, vectors, vectors[counts > 0].mean(axis=0))
