"""What the twenty statistics are measured against: vectorised pandas, polars, a notebook's loop, and a loop in C."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from math import log
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.types import AnyArray, FloatArray

N_LEVELS = 5
MEAN_PRIOR, HISTOGRAM_PRIOR = 5, 8


def pandas_statistics(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the statistics by vectorised pandas: a table of items merged with the rows, one groupby over users."""
    n_users = rows["user"].nunique()
    value = rows["rating"] / (N_LEVELS - 1)
    items, log_p = _pandas_items(rows, value, n_users)
    at = rows.merge(items, left_on="item", right_index=True, how="left", validate="many_to_one")
    at = at.merge(log_p, left_on=["item", "rating"], right_index=True, how="left", validate="many_to_one")
    distance = (value - at["mean"]).abs()
    columns = {
        "v1": value,
        "v2": value**2,
        "v3": value**3,
        "v4": value**4,
        "item": at["mean"],
        "item2": at["mean"] ** 2,
        "both": value * at["mean"],
        "mad": distance,
        "weighted": distance * at["weight"],
        "share": at["share"],
        "share2": at["share"] ** 2,
        "log_p": at["log_p"],
    }
    sums = pd.DataFrame(columns).groupby(rows["user"]).sum()
    counts = rows.pivot_table(index="user", columns="rating", aggfunc="size", fill_value=0).add_prefix("level_")
    table = sums.join(counts)
    return pd.DataFrame(finish({str(name): table[name].to_numpy() for name in table}), index=table.index)


def _pandas_items(rows: pd.DataFrame, value: pd.Series, n_users: int) -> tuple[pd.DataFrame, pd.Series]:
    counts = rows.pivot_table(index="item", columns="rating", aggfunc="size", fill_value=0)
    n = counts.sum(axis=1)
    overall = counts.sum() + 1
    smoothed = counts + HISTOGRAM_PRIOR * overall / overall.sum()
    chance = smoothed.div(smoothed.sum(axis=1), axis=0)
    log_p = np.log(chance.reset_index().melt("item", value_name="log_p").set_index(["item", "rating"])["log_p"])
    total = value.groupby(rows["item"]).sum()
    table = {
        "mean": (total + MEAN_PRIOR * value.mean()) / (n + MEAN_PRIOR),
        "share": np.log((n + 1) / (n_users + 2)),
        "weight": (n_users + 1) / (n + 1),
    }
    return pd.DataFrame(table), log_p


def polars_statistics(rows: object) -> pd.DataFrame:
    """Return the statistics by one lazy polars query; `rows` is a polars table of the same columns."""
    import polars as pl

    assert isinstance(rows, pl.DataFrame)
    n_users = rows["user"].n_unique()
    value = pl.col("rating") / (N_LEVELS - 1)
    level = [(pl.col("rating") == number).sum().alias(f"level_{number}") for number in range(N_LEVELS)]
    overall = rows.select(value.mean().alias("mean"), *level).row(0, named=True)
    frequency = np.array([overall[f"level_{number}"] for number in range(N_LEVELS)]) + 1
    prior = HISTOGRAM_PRIOR * frequency / frequency.sum()
    log_p = [
        ((pl.col(f"level_{number}") + prior[number]) / (pl.col("n") + HISTOGRAM_PRIOR)).log().alias(f"log_p_{number}")
        for number in range(N_LEVELS)
    ]
    items = (
        rows.lazy()
        .group_by("item")
        .agg(pl.len().alias("n"), value.sum().alias("total"), *level)
        .select(
            "item",
            ((pl.col("total") + MEAN_PRIOR * overall["mean"]) / (pl.col("n") + MEAN_PRIOR)).alias("mean"),
            ((pl.col("n") + 1) / (n_users + 2)).log().alias("share"),
            ((n_users + 1) / (pl.col("n") + 1)).alias("weight"),
            *log_p,
        )
    )
    likelihood = pl.col(f"log_p_{N_LEVELS - 1}")
    for number in reversed(range(N_LEVELS - 1)):
        likelihood = pl.when(pl.col("rating") == number).then(pl.col(f"log_p_{number}")).otherwise(likelihood)
    mean, share, distance = pl.col("mean"), pl.col("share"), pl.col("distance")
    sums = (
        rows.lazy()
        .join(items, on="item")
        .with_columns(value.alias("value"))
        .with_columns((pl.col("value") - mean).abs().alias("distance"))
        .group_by("user")
        .agg(
            *[(pl.col("value") ** power).sum().alias(f"v{power}") for power in (1, 2, 3, 4)],
            mean.sum().alias("item"),
            (mean * mean).sum().alias("item2"),
            (pl.col("value") * mean).sum().alias("both"),
            distance.sum().alias("mad"),
            (distance * pl.col("weight")).sum().alias("weighted"),
            share.sum().alias("share"),
            (share * share).sum().alias("share2"),
            likelihood.sum().alias("log_p"),
            *level,
        )
        .collect()
    )
    found = finish({name: sums[name].to_numpy() for name in sums.columns if name != "user"})
    return pd.DataFrame(found, index=sums["user"].to_numpy()).sort_index()


def finish(sums: dict[str, AnyArray]) -> dict[str, FloatArray]:
    """Return the statistics of each user's sums."""
    counts = np.stack([sums[f"level_{level}"] for level in range(N_LEVELS)]).astype(float)
    n = counts.sum(axis=0)
    shares = counts / n
    mean, v2, v3, v4 = (sums[f"v{power}"] / n for power in (1, 2, 3, 4))
    item, item2, both, share, share2 = (sums[name] / n for name in ("item", "item2", "both", "share", "share2"))
    variance = np.maximum(v2 - mean**2, 0)
    std = np.sqrt(variance)
    bias = mean - item
    squares = np.maximum(v2 - 2 * both + item2, 0)
    centred_rms = np.sqrt(np.maximum(squares - bias**2, 0))
    item_variance = np.maximum(item2 - item**2, 0)
    covariance = both - mean * item
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(shares > 0, shares * np.log(shares), 0).sum(axis=0)
    return {
        "count": n,
        "mean": mean,
        "std": std,
        "skewness": (v3 - 3 * mean * v2 + 2 * mean**3) / (std**3 + 1e-3),
        "kurtosis": (v4 - 4 * mean * v3 + 6 * mean**2 * v2 - 3 * mean**4) / (std**4 + 1e-4),
        "entropy": entropy,
        "top_share": shares.max(axis=0),
        "extreme_share": shares[0] + shares[-1],
        "mad": sums["mad"] / n,
        "rms": np.sqrt(squares),
        "bias": bias,
        "centred_rms": centred_rms,
        "rms_ratio": centred_rms / (std + 0.02),
        "rdma": np.log(sums["weighted"] / n + 1e-4),
        "correlation": n * covariance / (n * std * np.sqrt(item_variance) + 1e-4),
        "slope": n * covariance / (n * item_variance + 1e-2),
        "popularity": share,
        "popularity_std": np.sqrt(np.maximum(share2 - share**2, 0)),
        "liked": item,
        "likelihood": sums["log_p"] / n,
    }


def loop_statistics(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the statistics as a notebook writes them: two loops over rows, sums kept in dictionaries."""
    by_item: dict[int, list[int]] = {}
    for _, row in rows.iterrows():
        by_item.setdefault(row["item"], [0] * N_LEVELS)[row["rating"]] += 1
    n_users, n_rows = rows["user"].nunique(), len(rows)
    overall = [sum(counts[level] for counts in by_item.values()) for level in range(N_LEVELS)]
    mean = sum(level / (N_LEVELS - 1) * n for level, n in enumerate(overall)) / n_rows
    names = ("v1", "v2", "v3", "v4", "item", "item2", "both", "mad", "weighted", "share", "share2", "log_p")
    levels = tuple(f"level_{level}" for level in range(N_LEVELS))
    by_user: dict[int, dict[str, float]] = {}
    for _, row in rows.iterrows():
        counts, rating = by_item[row["item"]], row["rating"]
        value, n = rating / (N_LEVELS - 1), sum(counts)
        total = sum(level / (N_LEVELS - 1) * times for level, times in enumerate(counts))
        item, share = (total + MEAN_PRIOR * mean) / (n + MEAN_PRIOR), log((n + 1) / (n_users + 2))
        chance = counts[rating] + HISTOGRAM_PRIOR * (overall[rating] + 1) / (n_rows + N_LEVELS)
        sums = by_user.setdefault(row["user"], dict.fromkeys(names + levels, 0.0))
        for power in (1, 2, 3, 4):
            sums[f"v{power}"] += value**power
        sums["item"] += item
        sums["item2"] += item**2
        sums["both"] += value * item
        sums["mad"] += abs(value - item)
        sums["weighted"] += abs(value - item) * (n_users + 1) / (n + 1)
        sums["share"] += share
        sums["share2"] += share**2
        sums["log_p"] += log(chance / (n + HISTOGRAM_PRIOR))
        sums[f"level_{rating}"] += 1
    table = pd.DataFrame.from_dict(by_user, orient="index").sort_index()
    return pd.DataFrame(finish({str(name): table[name].to_numpy() for name in table}), index=table.index)


C_LOOP = """
#include <stdint.h>
void pass(int64_t n_users, const int64_t *starts, const int32_t *items, const int8_t *ratings,
          const double *of_items, const double *of_cells, int64_t n_levels, int32_t *counts, double *sums) {
    for (int64_t user = 0; user < n_users; user++) {
        double s[8] = {0};
        int32_t *given = counts + user * n_levels;
        for (int64_t row = starts[user]; row < starts[user + 1]; row++) {
            const double *whole = of_items + (int64_t)items[row] * 4;
            const double *cell = of_cells + ((int64_t)items[row] * n_levels + ratings[row]) * 4;
            given[ratings[row]]++;
            for (int k = 0; k < 4; k++) s[k] += whole[k];
            for (int k = 0; k < 4; k++) s[k + 4] += cell[k];
        }
        for (int k = 0; k < 8; k++) sums[user * 8 + k] = s[k];
    }
}
"""


def c_loop() -> Callable[..., None] | None:
    """Return the per-user pass in C, compiled for this processor by gcc; None where there is no gcc."""
    if shutil.which("gcc") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "pass.c", Path(folder) / "pass.so"
        source.write_text(C_LOOP, encoding="utf-8")
        subprocess.run(["gcc", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source], check=True)
        function = getattr(ctypes.CDLL(str(library)), "pass")

    def work(
        starts: AnyArray,
        items: AnyArray,
        ratings: AnyArray,
        of_items: AnyArray,
        of_cells: AnyArray,
        counts: AnyArray,
        sums: AnyArray,
    ) -> None:
        address = [ctypes.c_void_p(array.ctypes.data) for array in (starts, items, ratings, of_items, of_cells)]
        rest = [ctypes.c_void_p(array.ctypes.data) for array in (counts, sums)]
        function(ctypes.c_int64(len(starts) - 1), *address, ctypes.c_int64(counts.shape[1]), *rest)

    return work
