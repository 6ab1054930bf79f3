"""User blocks: a log that comes in parts, put together anew so that all ratings of a user are in one block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray


class UserBlock(NamedTuple):
    """Users from one id to another, both among them."""

    first: Any
    last: Any


def user_blocks(user_ids: AnyArray, n_blocks: int) -> list[UserBlock]:
    """Return blocks of equally many users, none of them empty; fewer than asked for if there are fewer users."""
    blocks = np.array_split(np.sort(user_ids), min(n_blocks, len(user_ids)))
    return [UserBlock(ids[0], ids[-1]) for ids in blocks]


def of_block(part: RatingBatch, block: UserBlock) -> RatingBatch:
    """Return the ratings of a block's users in a part, perhaps none."""
    return part.select((part.user_ids >= block.first) & (part.user_ids <= block.last))


def join_parts(parts: Sequence[RatingBatch]) -> RatingBatch:
    """Return all ratings of several parts as one batch; a user id is the same user in each of them.

    Parameters
    ----------
    parts : sequence of RatingBatch
        On one scale, users and items called alike; at least one rating in all of them.
    """
    timed = all(part.timestamps is not None for part in parts)
    return RatingBatch.from_rows(
        np.concatenate([part.user_ids[part.users] for part in parts]),
        np.concatenate([part.item_ids[part.items] for part in parts]),
        np.concatenate([np.take(part.scale.levels, part.ratings) for part in parts]),
        scale=parts[0].scale,
        timestamps=np.concatenate([part.timestamps for part in parts]) if timed else None,
        source=" + ".join(part.source for part in parts),
    )
