"""Describe: what a file of ratings holds, before anything is made of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.scale import format_levels
from anomaly_lab.types import AnyArray


def describe(rounds: Sequence[Round]) -> pd.DataFrame:
    """Return a table of facts, one column a round.

    Parameters
    ----------
    rounds : sequence of Round
        Read on one scale; facts about overlap compare each round with the first.
    """
    return pd.DataFrame({one.name: _facts(one, rounds[0]) for one in rounds})


def _facts(one: Round, first: Round) -> dict[str, str]:
    batch = one.ratings
    lengths = np.diff(batch.indptr)
    repeated = (np.diff(batch.users) == 0) & (np.diff(batch.items) == 0)
    shares = np.bincount(batch.ratings, minlength=batch.scale.n_levels) / batch.n_rows
    facts = {
        "ratings": f"{batch.n_rows:,}",
        "users": f"{batch.n_users:,}",
        "items": f"{batch.n_items:,}",
        "scale": f"{batch.scale} ({format_levels(batch.scale.levels)})",
        "share of levels": ", ".join(
            f"{level:g}: {share:.1%}" for level, share in zip(batch.scale.levels, shares, strict=True)
        ),
        "ratings per user": f"median {np.median(lengths):g}, {lengths.min()} to {lengths.max():,}",
        "density": f"{batch.n_rows / (batch.n_users * batch.n_items):.1%}",
        "repeated (user, item) rows": f"{int(repeated.sum()):,}",
        "users with the profile of another": f"{_same_profile(batch.profiles):,}",
        "timestamps": "yes" if batch.timestamps is not None else "no",
        "labels": _labels(one),
        "digest": batch.digest[:16],
    }
    if one is not first:
        ids = len(np.intersect1d(batch.user_ids, first.ratings.user_ids))
        facts[f"user ids shared with {first.name}"] = f"{ids:,} (each is a user of its own in every round)"
    return facts


def _same_profile(profiles: AnyArray) -> int:
    """Return how many users have exactly the ratings of another user; profiles are sorted."""
    same = (np.diff(profiles, axis=0) == 0).all(axis=1)
    return int((np.append(same, False) | np.append(False, same)).sum())


def _labels(one: Round) -> str:
    if one.labels is None:
        return "hidden"
    share = one.labels.n_fake / len(one.labels.fake)
    kinds = "" if one.labels.kinds is None else f", {len(np.unique(one.labels.kinds)) - 1} kinds"
    return f"{one.labels.n_fake:,} generated ({share:.1%}){kinds}"
