"""What the lab's features are measured against: the seed notebook's own loop, and vectorised pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import entr, rel_entr

PRIOR_RATINGS = 5


def notebook_loop(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the seed notebook's nine features in its own manner: two loops over rows, a lambda per count.

    Its mistake in ``mean`` (only the neutral count is divided by three) is kept, as `mean` and `cv` cost the same.
    """
    votes: dict[int, list[int]] = {}
    for _, row in rows.sort_values(by="item").iterrows():
        counts = votes.get(row["item"], [0, 0, 0])
        if row["rating"] == 1:
            counts[0] += 1
        elif row["rating"] == 0:
            counts[1] += 1
        elif row["rating"] == -1:
            counts[2] += 1
        votes[row["item"]] = counts
    majority = {item: (1, 0, -1)[counts.index(max(counts))] for item, counts in votes.items()}
    followed: dict[int, int] = {}
    for _, row in rows.sort_values(by="user").iterrows():
        agrees = majority[row["item"]] == row["rating"]
        followed[row["user"]] = followed.get(row["user"], 0) + int(agrees)
    features = rows.groupby("user").agg(
        total=("rating", "size"),
        likes=("rating", lambda ratings: (ratings == 1).sum()),
        dislikes=("rating", lambda ratings: (ratings == -1).sum()),
        meh=("rating", lambda ratings: (ratings == 0).sum()),
    )
    features["mean"] = features["likes"] + features["dislikes"] + features["meh"] / 3
    features["std"] = features[["likes", "dislikes", "meh"]].std(axis=1)
    features["cv"] = features["std"] / features["mean"] * 100
    features["followed_majority"] = pd.Series(followed)
    features["followed_share"] = features["followed_majority"] / features["total"]
    return features


def pandas_profile(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the family *profile* by pandas: one pass for counts, one for moments, the rest on the table of users."""
    counts = rows.pivot_table(index="user", columns="rating", aggfunc="size", fill_value=0)
    n = counts.sum(axis=1)
    share = counts.div(n, axis=0)
    value = (rows["rating"] + 1) / 2
    own = value.groupby(rows["user"])
    moments = own.agg(["mean", "min", "max"])
    centred = value - rows["user"].map(moments["mean"])
    powers = pd.DataFrame({power: centred**power for power in (2, 3, 4)}).groupby(rows["user"]).mean()
    std = np.sqrt(powers[2])
    histogram = counts.sum() + 1
    columns = {f"share_{level}": share[level] for level in counts} | {
        "log_count": np.log1p(n),
        "mean": moments["mean"],
        "std": std,
        "skewness": powers[3] / (std**3 + 1e-3),
        "kurtosis": powers[4] / (std**4 + 1e-4),
        "lowest": moments["min"],
        "highest": moments["max"],
        "entropy": entr(share).sum(axis=1),
        "levels_used": (counts > 0).mean(axis=1),
        "top_share": share.max(axis=1),
        "extreme_share": share[-1] + share[1],
        "level_cv": counts.std(axis=1, ddof=0) / counts.mean(axis=1),
        "divergence": rel_entr(share.to_numpy(), (histogram / histogram.sum()).to_numpy()).sum(axis=1),
    }
    return pd.DataFrame(columns)


def pandas_agreement(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the family *agreement* by pandas: items' statistics joined to rows, then one sum over each user's rows."""
    value = (rows["rating"] + 1) / 2
    items = _items(rows, value)
    at = items.loc[rows["item"]].set_axis(rows.index)
    deviation = value - at["mean"]
    size = deviation.abs()
    sums = pd.DataFrame(
        {
            "n": 1,
            "value": value,
            "value2": value**2,
            "item": at["mean"],
            "item2": at["mean"] ** 2,
            "both": value * at["mean"],
            "deviation": deviation,
            "size": size,
            "deviation2": deviation**2,
            "z2": (deviation / at["spread"]) ** 2,
            "weighted": size * at["weight"],
            "weighted2": size * at["weight"] ** 2,
            "majority": rows["rating"] == at["majority"],
        }
    )
    return _agreement_of_users(sums.groupby(rows["user"]).sum(), _top_difference(rows["user"], value))


def _items(rows: pd.DataFrame, value: pd.Series) -> pd.DataFrame:
    counts = rows.pivot_table(index="item", columns="rating", aggfunc="size", fill_value=0)
    n = counts.sum(axis=1)
    mean = (value.groupby(rows["item"]).sum() + PRIOR_RATINGS * value.mean()) / (n + PRIOR_RATINGS)
    squares = ((value - rows["item"].map(mean)) ** 2).groupby(rows["item"]).sum()
    variance = (squares + PRIOR_RATINGS * max(squares.sum() / len(rows), 1e-4)) / (n + PRIOR_RATINGS)
    frequency = counts.sum() / len(rows)
    return pd.DataFrame(
        {
            "mean": mean,
            "spread": np.sqrt(variance),
            "weight": (rows["user"].nunique() + 1) / (n + 1),
            "majority": (counts + 1e-6 * frequency).idxmax(axis=1),
        }
    )


def _top_difference(user: pd.Series, value: pd.Series) -> pd.Series:
    top = value == value.groupby(user).transform("max")
    means = pd.DataFrame({"top": value.where(top), "rest": value.where(~top)}).groupby(user).mean()
    return (means["top"] - means["rest"]).fillna(0)


def _agreement_of_users(sums: pd.DataFrame, top_difference: pd.Series) -> pd.DataFrame:
    n = sums["n"]
    means = sums.div(n, axis=0)
    own_variance = (means["value2"] - means["value"] ** 2).clip(lower=0)
    item_variance = (means["item2"] - means["item"] ** 2).clip(lower=0)
    covariance = means["both"] - means["value"] * means["item"]
    correlation = n * covariance / (n * np.sqrt(own_variance * item_variance) + 1e-4)
    centred_rms = np.sqrt((means["deviation2"] - means["deviation"] ** 2).clip(lower=0))
    columns = {
        "mad": means["size"],
        "rms": np.sqrt(means["deviation2"]),
        "bias": means["deviation"],
        "z_rms": np.sqrt(means["z2"]),
        "centred_rms": centred_rms,
        "rms_ratio": centred_rms / (np.sqrt(own_variance) + 0.02),
        "correlation": correlation,
        "slope": n * covariance / (n * item_variance + 1e-2),
        "correlation_z": correlation * np.sqrt(n),
        "fmtd": top_difference,
        "majority_share": means["majority"],
        "rdma": np.log(means["weighted"] + 1e-4),
        "wdma": np.log(means["weighted2"] + 1e-4),
        "wda": np.log(sums["weighted"] + 1e-4),
        "length_variance": (n - n.mean()).abs() / (n.std(ddof=0) + 1e-9),
    }
    return pd.DataFrame(columns)
