"""Batches, files and views that tests of ratings share."""

import numpy as np
import pytest
from hypothesis import strategies as st

from anomaly_lab.errors import DataError, LabError
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.scale import STARS

ARRAYS = ("users", "items", "ratings", "item_ids", "profiles", "timestamps")

# few users, items and levels, so that duplicate rows and identical profiles are common
rows_of = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=40
)

# NumPy's own strings lose a NUL at their end
six_names = st.lists(st.text(st.characters(exclude_characters="\x00"), min_size=1), min_size=6, max_size=6, unique=True)


def batch_of(rows, *, rename=None, scale=STARS, timestamps=True, source="ratings"):
    users, items, ratings, times = map(np.array, zip(*rows, strict=True))
    if rename is not None:
        users = np.array([rename[user] for user in users])
    return RatingBatch.from_rows(
        users, items, ratings, scale=scale, timestamps=times if timestamps else None, source=source
    )


def assert_same_bits(one, other):
    for name in ARRAYS:
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert one.digest == other.digest


def profiles_by_id(batch):
    """Each user's rows as the outside sees them."""
    return {
        batch.user_ids[user]: sorted(
            (batch.item_ids[batch.items[row]], batch.ratings[row], batch.timestamps[row])
            for row in range(batch.indptr[user], batch.indptr[user + 1])
        )
        for user in range(batch.n_users)
    }


X = np.array([[2, 7, 5], [1, 7, 0], [1, 8, 3], [1, 8, 3], [3, 9, 4]])
Y = np.array([[1, 0], [3, 0], [2, 1]])


def save_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def save_text(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def save_table(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return path


def rows_by_id(batch):
    """The rows as the outside sees them: user, item, level."""
    users, items = batch.user_ids[batch.users], batch.item_ids[batch.items]
    levels = np.array(batch.scale.levels)[batch.ratings]
    return sorted(zip(users.tolist(), items.tolist(), levels.tolist(), strict=True))


def fake_by_id(round_):
    return dict(zip(round_.ratings.user_ids.tolist(), round_.labels.fake.tolist(), strict=True))


def kind_by_id(round_):
    return dict(zip(round_.ratings.user_ids.tolist(), round_.labels.kinds.tolist(), strict=True))


def message_of(read, *args, **kwargs):
    with pytest.raises(DataError) as caught:
        read(*args, **kwargs)
    message = str(caught.value)
    assert isinstance(caught.value, LabError)
    assert "\n" not in message
    return message
