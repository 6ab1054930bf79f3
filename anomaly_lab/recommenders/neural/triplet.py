"""Triplet loss with real negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Recommender, Report, Training, ignore
from anomaly_lab.recommenders.neural.layers import embedding, unit
from anomaly_lab.recommenders.neural.training import Params, Schedule, adam, train_network
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

Vectors = tuple[Float32Array, Float32Array, Float32Array]
"""Unit vectors of users and of items, and a number an item."""
NEGATIVES_PER_POSITIVE = 20
"""Items each held-out positive is compared with to decide when to stop."""
SOFTNESS = 0.1
"""How gradually the loss of a triplet comes to nothing where its negative is further off than the margin."""
MEMORY = 0.8
"""Of the moving average of parameters: hardest negatives and drawn histories make single passes noisy."""


@dataclass
class TripletRecommender(Recommender):
    """Triplet loss: a user's vector is nearer to an item rated than to one that is not (Weinberger and Saul, 2009).

    A user's vector is the mean of those of the user's items, without the one in question, and a vector of the user's
    own (Koren, 2008). Nearness is the cosine, plus a number an item for how much it is liked by all. A triplet's
    negative is the nearest to the user among some candidates that the user has not rated: the hardest, and one
    candidate is a random negative. The margin is soft (Hermans, Beyer and Leibe, 2017). The answer is the mean of what
    some networks say.

    Parameters
    ----------
    negatives : {"uniform", "popularity"}
        Whether candidates are drawn from all items alike or by how often they are rated.
    candidates : int
        How many are drawn for a triplet.
    history : int
        How many of the user's other items are drawn for a triplet, of which the mean is taken.
    own : float
        Weight of the user's own vector. It tells users of many items apart, and is learnt by heart for those of few.
    metadata : bool
        Whether a vector for each genre, where genres are known, is added to an item's own.
    networks : int
        How many are trained. The first holds out a part of what is known to stop by, and its epochs are reported; the
        others learn from all of it for as many.
    """

    task: ClassVar[str] = "implicit-ranking"
    extra: ClassVar[str] = "neural"

    factors: Annotated[int, IntDistribution(8, 256, log=True)] = 64
    margin: Annotated[float, FloatDistribution(0.05, 1.0)] = 0.3
    negatives: Annotated[str, CategoricalDistribution(["uniform", "popularity"])] = "uniform"
    candidates: Annotated[int, IntDistribution(1, 16, log=True)] = 4
    history: Annotated[int, IntDistribution(1, 64, log=True)] = 20
    own: Annotated[float, FloatDistribution(0.0, 1.0)] = 0.3
    metadata: Annotated[bool, CategoricalDistribution([False, True])] = True
    networks: Annotated[int, IntDistribution(1, 4)] = 4
    learning_rate: Annotated[float, FloatDistribution(1e-4, 0.1, log=True)] = 0.001
    batch_size: Annotated[int, IntDistribution(64, 4096, log=True)] = 512
    max_epochs: Annotated[int, IntDistribution(1, 200, log=True)] = 60
    patience: Annotated[int, IntDistribution(1, 10)] = 4
    users_: Float32Array = field(init=False, repr=False)
    items_: Float32Array = field(init=False, repr=False)
    biases_: Float32Array = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> TripletRecommender:
        """Train on some positives until others are told from negatives no better."""
        self.n_items_ = train.known.n_items
        known, held_out = train.parts(rng)
        wrong: list[float] = []

        def report(epoch: int, figures: Mapping[str, float]) -> None:
            wrong.append(figures["validation"])
            train.report(epoch, figures)

        validation = _Validation(known, held_out, self.own, rng)
        first = self._network(known, validation, self.max_epochs, report, rng)
        epochs = int(np.argmin(wrong)) + 1 if wrong else 0
        others = [self._network(train.known, None, epochs, ignore, rng) for _ in range(self.networks - 1)]
        vectors = [_vectors(params, train.known, self.own) for params in (first, *others)]
        scale = np.float32(1 / np.sqrt(self.networks))  # so that cosines of vectors side by side are means of cosines
        users, items, biases = zip(*vectors, strict=True)
        self.users_, self.items_ = scale * np.hstack(users), scale * np.hstack(items)
        self.biases_ = np.mean(biases, axis=0)
        return self

    def rank(self, users: AnyArray) -> FloatArray:
        """Return cosines and what items have on top, shape (n_users, n_items)."""
        return (self.users_[users] @ self.items_.T + self.biases_).astype(np.float64)

    def item_vectors(self) -> FloatArray:
        """Return a vector of length 1 an item, shape (n_items, networks * factors)."""
        return self.items_.astype(np.float64)

    def _network(
        self,
        known: Interactions,
        validation: _Validation | None,
        max_epochs: int,
        report: Report,
        rng: np.random.Generator,
    ) -> Params:
        params = train_network(
            _TripletLoss(self.negatives, self.candidates, self.history),
            self._start(known, rng),
            (known.users, known.items),
            inputs=self._inputs(known),
            validate=validation,
            schedule=Schedule(adam(self.learning_rate), self.batch_size, max_epochs, self.patience, MEMORY),
            report=report,
            rng=rng,
        )
        return {**params, "user": _with_mean(params["user"], known.user_counts)}

    def _start(self, known: Interactions, rng: np.random.Generator) -> Params:
        params = {
            "user": embedding(known.n_users, self.factors, rng),
            "item": embedding(known.n_items, self.factors, rng),
            "bias": np.zeros(known.n_items, dtype=np.float32),
        }
        if self.metadata and known.content is not None:
            params["genre"] = embedding(len(known.content.genres), self.factors, rng)
        return params

    def _inputs(self, known: Interactions) -> Params:
        starts = np.searchsorted(known.users, np.arange(known.n_users + 1)).astype(np.int32)
        numbers = {"margin": np.float32(self.margin), "own": np.float32(self.own)}
        return {"starts": starts, "rated": known.items, "genres": _genres(known), **numbers}


@dataclass(frozen=True)
class _TripletLoss:
    """Mean of what the hardest negatives come closer than the positives do less the margin."""

    negatives: str
    candidates: int
    history: int

    def __call__(self, params: Params, inputs: Params, batch: tuple[Any, ...], key: Any) -> Any:
        users, items = batch
        vectors = _items(params, inputs["genres"])
        history = self._history(vectors, inputs, batch, jax.random.fold_in(key, 1))
        user = unit(history + inputs["own"] * params["user"][users])
        drawn = self._draw(inputs, len(users), key)
        nearness = jnp.einsum("bf,bkf->bk", user, vectors[drawn]) + params["bias"][drawn]
        nearness = jnp.where(_has_rated(inputs, users, drawn), -jnp.inf, nearness).max(axis=1)
        wanted = jnp.sum(user * vectors[items], axis=1) + params["bias"][items]
        return SOFTNESS * jnp.mean(jax.nn.softplus((inputs["margin"] - wanted + nearness) / SOFTNESS))

    def _draw(self, inputs: Params, n_rows: int, key: Any) -> Any:
        """Return candidates, shape (n_rows, candidates)."""
        shape = (n_rows, self.candidates)
        if self.negatives == "uniform":
            return jax.random.randint(key, shape, 0, len(inputs["genres"]))
        return inputs["rated"][jax.random.randint(key, shape, 0, len(inputs["rated"]))]

    def _history(self, vectors: Any, inputs: Params, batch: tuple[Any, ...], key: Any) -> Any:
        """Return the mean vector of some of the user's items, the triplet's own left out."""
        users, items = batch
        first, last = inputs["starts"][users][:, None], inputs["starts"][users + 1][:, None]
        drawn = inputs["rated"][jax.random.randint(key, (len(users), self.history), first, last)]
        counts = (drawn != items[:, None])[:, :, None]
        return jnp.sum(vectors[drawn] * counts, axis=1) / jnp.maximum(jnp.sum(counts, axis=1), 1)


class _Validation:
    """Share of held-out positives and random negatives that stand in the wrong order: one less the AUC."""

    def __init__(self, known: Interactions, held_out: Interactions, own: float, rng: np.random.Generator) -> None:
        negatives = rng.integers(0, known.n_items, (len(held_out), NEGATIVES_PER_POSITIVE))
        self.known, self.own = known, own
        self.users, self.positives, self.negatives = held_out.users, held_out.items, negatives
        keys = known.users.astype(np.int64) * known.n_items + known.items
        of_user = held_out.users.astype(np.int64)[:, None] * known.n_items + negatives
        self.counts = ~np.isin(of_user, keys) & (negatives != held_out.items[:, None])

    def __call__(self, params: Params) -> float:
        """Return the share."""
        users, items, biases = _vectors(params, self.known, self.own)
        user = users[self.users]
        positive = self._nearness(user, items, biases, self.positives)[:, None]
        negative = np.stack([self._nearness(user, items, biases, column) for column in self.negatives.T], axis=1)
        wrong = (negative > positive) + 0.5 * (negative == positive)
        return float(wrong[self.counts].mean())

    @staticmethod
    def _nearness(user: Float32Array, items: Float32Array, biases: Float32Array, asked: AnyArray) -> Float32Array:
        nearness: Float32Array = np.einsum("nf,nf->n", user, items[asked]) + biases[asked]
        return nearness


def _items(params: Params, genres: Any) -> Any:
    """Return unit vectors of all items: their own, and their genres' mean where there are genres."""
    return unit(params["item"] + genres @ params["genre"] if "genre" in params else params["item"])


def _vectors(params: Params, known: Interactions, own: float) -> Vectors:
    """Return unit vectors of all users and all items, and the items' biases."""
    items = np.array(_items(params, _genres(known)))
    counts = np.maximum(known.user_counts, 1)[:, None].astype(np.float32)
    users = (known.matrix.astype(bool) @ items) / counts + np.float32(own) * np.array(params["user"])
    return np.array(unit(users)), items, np.array(params["bias"])


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
