"""Mistakes: who was missed and who was accused at a threshold, by kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray

EXAMPLES = 5


def mistakes(
    users: AnyArray, fake: IntArray, scores: FloatArray, threshold: float, kinds: IntArray | None = None
) -> pd.DataFrame:
    """Return missed generated users and accused genuine ones, by kind.

    Parameters
    ----------
    users : ndarray of shape (n_users,)
        Ids.
    fake : ndarray of shape (n_users,)
        1 for generated, 0 for genuine.
    scores : ndarray of shape (n_users,)
        Higher = more anomalous.
    threshold : float
        Users scoring at least this are flagged.
    kinds : ndarray of shape (n_users,), optional
        How each user was generated, 0 for genuine; without it, all generated users are one kind.

    Returns
    -------
    DataFrame
        A row for genuine users, then one a kind: ``kind`` (``genuine``, ``generated`` or ``kind <k>``), ``mistake``
        (``accused`` or ``missed``), ``users`` of the kind, how many were ``wrong`` and their ``share``, and the ids of
        the `EXAMPLES` ``worst``: those on the wrong side whose scores lie farthest from the threshold.
    """
    wrong = (scores >= threshold) != (fake == 1)
    rows = []
    for kind, mine in _kinds(fake, kinds):
        found = np.flatnonzero(mine & wrong)
        worst = found[np.argsort(-np.abs(scores[found] - threshold), kind="stable")][:EXAMPLES]
        rows.append(
            {
                "kind": kind,
                "mistake": "accused" if kind == "genuine" else "missed",
                "users": int(mine.sum()),
                "wrong": len(found),
                "share": len(found) / int(mine.sum()),
                "worst": users[worst].tolist(),
            }
        )
    return pd.DataFrame(rows)


def _kinds(fake: IntArray, kinds: IntArray | None) -> Iterator[tuple[str, BoolArray]]:
    yield "genuine", fake == 0
    if kinds is None:
        yield "generated", fake == 1
    else:
        for kind in np.unique(kinds[kinds > 0]):
            yield f"kind {kind}", kinds == kind
