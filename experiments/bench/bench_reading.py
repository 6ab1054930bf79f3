"""How fast is a log of ratings read? CSV by pandas, the lab's first reading, and its readings after that.

A first reading parses strictly, digests every profile, sorts, and keeps the columns; a later one digests the file's
content and reads the columns back. All give the same ratings.

    python experiments/bench/bench_reading.py [--rows 2000000]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.cache import RatingCache
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import STARS
from experiments.bench.bench_statistics import draw_columns, rate
from experiments.bench.common import compare, in_turns, machine

USERS, ITEMS = 14_000, 8_000
ROUNDS = 3


def check(table: pd.DataFrame, batch: RatingBatch, again: RatingBatch) -> None:
    """Raise an error unless three readings hold the same ratings."""
    if batch.digest != again.digest:
        raise ValueError("the second reading must be the first, found another digest")
    mine = pd.DataFrame(
        {
            "user": batch.user_ids[batch.users],
            "item": batch.item_ids[batch.items],
            "rating": np.asarray(batch.scale.levels)[batch.ratings],
        }
    )
    by = ["user", "item", "rating"]
    one, other = (frame.sort_values(by).to_numpy(dtype=float) for frame in (mine, table))
    np.testing.assert_array_equal(one, other)


def main(n_rows: int) -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        file, cache = Path(name) / "ratings.csv", RatingCache(Path(name) / "cache")
        draw_columns(n_rows, USERS, ITEMS).to_csv(file, index=False)

        def read(kept: RatingCache | None) -> RatingBatch:
            return read_rounds([file], scale=STARS, cache=kept)[0].ratings

        def first() -> None:
            shutil.rmtree(cache.folder, ignore_errors=True)
            read(cache)

        first()
        check(pd.read_csv(file), read(None), read(cache))
        size, kept = file.stat().st_size, sum(path.stat().st_size for path in cache.folder.iterdir())
        print(f"{n_rows:,} rows, CSV {size / n_rows:.1f} bytes a row, kept {kept / n_rows:.1f}: all readings agree\n")
        ways: dict[str, Callable[[], object]] = {
            "CSV by pandas": lambda: pd.read_csv(file),
            "first reading": first,
            "later reading": lambda: read(cache),
        }
        timed = in_turns({way: (work, n_rows) for way, work in ways.items()}, ROUNDS)
    for way, timing in timed.items():
        print(f"  {way:14} {rate(timing):>14,.0f} rows a CPU second {n_rows / np.median(timing.wall):>14,.0f} a second")
    lines = [
        compare(f"reading ratings: {way} / later (rows a CPU second)", timed[way], timed["later reading"], rate)
        for way in ("CSV by pandas", "first reading")
    ]
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    main(parser.parse_args().rows)
