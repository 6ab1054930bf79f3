"""Archives: a round as the arrays of a course's file."""

from __future__ import annotations

import numpy as np

from anomaly_lab.ratings.labels import Round
from anomaly_lab.types import AnyArray


def round_arrays(one: Round, ids: AnyArray, *, labels: bool) -> dict[str, AnyArray]:
    """Return a round as arrays: ``X`` by user, item and rating; ``y`` and, where kinds are named, ``yy`` by user.

    Parameters
    ----------
    one : Round
        Users in the batch's own order.
    ids : ndarray of shape (n_users,)
        What each of them is called in the file.
    labels : bool
        Whether to give ``y`` and ``yy``.
    """
    batch = one.ratings
    levels = np.asarray(batch.scale.levels)
    whole = bool((levels % 1 == 0).all())
    table = np.column_stack([ids[batch.users], batch.item_ids[batch.items], levels[batch.ratings]])
    table = table[np.lexsort(table.T[::-1])].astype(np.int32 if whole else np.float64)
    arrays = {"X": table}
    if labels and one.labels is not None:
        order = np.argsort(ids, kind="stable")
        arrays["y"] = np.column_stack([ids, one.labels.fake])[order].astype(np.int32)
        if one.labels.kinds is not None:
            arrays["yy"] = np.column_stack([ids, one.labels.kinds])[order].astype(np.int32)
    return arrays
