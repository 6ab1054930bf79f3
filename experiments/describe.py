"""Describe: what a file of ratings holds, and how far it is from training rounds, before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from anomaly_lab.evaluation.drift import Difference, Drift, drift
from anomaly_lab.evaluation.drift_words import levels_words, told_apart_words
from anomaly_lab.evaluation.phrases import column_phrase, family_phrase
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.scale import format_levels
from anomaly_lab.types import AnyArray

Row = tuple[str, str, str, str]

SHIFTED = 8
"""Columns shown: the most shifted ones."""


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


def compare(one: Round, rounds: Sequence[Round]) -> tuple[Drift, pd.DataFrame]:
    """Compare a batch with training rounds; labels are not used.

    Parameters
    ----------
    one : Round
        The batch.
    rounds : sequence of Round
        Training rounds on the same scale.

    Returns
    -------
    found : Drift
        Every figure.
    table : DataFrame
        ``what``, the figure of this ``batch``, what is ``usual`` between or in training rounds, and its ``meaning``.

    Raises
    ------
    DataError
        If they cannot be compared; see `anomaly_lab.evaluation.drift.drift`.
    """
    found = drift(one.ratings, [other.ratings for other in rounds])
    rows = [
        ("users told from training rounds (AUC)", *_difference(found.told_apart), told_apart_words(found.told_apart)),
        ("shares of levels (total variation)", *_difference(found.levels), levels_words(found.levels)),
        *_level_rows(found),
        *_family_rows(found),
        *_column_rows(found),
        *_overlap_rows(found, one),
    ]
    return found, pd.DataFrame(rows, columns=["what", "batch", "usual", "meaning"])


def _difference(found: Difference) -> tuple[str, str]:
    batch = f"{found.batch:.3f}"
    if not found.rounds:
        return batch, "unknown"
    low, high = f"{min(found.rounds):.3f}", f"{max(found.rounds):.3f}"
    return batch, low if low == high else f"{low} to {high}"


def _level_rows(found: Drift) -> Iterator[Row]:
    for level, here, there in found.shares.to_numpy(dtype=float):
        meaning = "a level no training round has" if there == 0 < here else ""
        yield f"  ratings {level:g}", f"{here:.1%}", f"{there:.1%}", meaning


def _family_rows(found: Drift) -> Iterator[Row]:
    for row in found.families.itertuples():
        yield f"  told apart by {row.family} alone (AUC)", f"{row.auc:.3f}", "", family_phrase(str(row.family))


def _column_rows(found: Drift) -> Iterator[Row]:
    for row in found.columns.head(SHIFTED).to_dict(orient="records"):
        usual = "unknown" if np.isnan(row["rounds"]) else f"up to {row['rounds']:.3f}"
        meaning = f"{column_phrase(row['column'])}: median {row['batch']:.3g}, in training {row['training']:.3g}"
        yield f"  shift of {row['column']} (KS)", f"{row['ks']:.3f}", usual, meaning


def _overlap_rows(found: Drift, one: Round) -> Iterator[Row]:
    overlap, activity, batch = found.overlap, found.activity, one.ratings
    copied = "" if overlap["same_profile"] == 0 else "these users stand in training rounds too, rating for rating"
    yield "users with a training user's profile", f"{overlap['same_profile']:,}", "", copied
    yield "user ids of training rounds", f"{overlap['same_id']:,}", "", "the same id in two rounds is two users"
    share = overlap["new_item_ratings"] / batch.n_rows
    new = f"{overlap['new_items']:,} items are new; {share:.1%} of ratings stand on them"
    yield "items of training rounds", f"{overlap['items']:,} of {batch.n_items:,}", "", new
    usual = f"{activity['training']:g}"
    yield "ratings per user, median", f"{activity['batch']:g}", usual, f"shift of the distribution {activity['ks']:.3f}"
