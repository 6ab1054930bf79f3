"""Sources of fakes that tests of attacks share."""

import numpy as np
from hypothesis import strategies as st

from anomaly_lab.attacks.source import Source
from anomaly_lab.ratings.scale import HALF_STARS, LIKES, LIKES_WATCHED, STARS, TEN, RatingScale

SCALES = [STARS, LIKES, LIKES_WATCHED, HALF_STARS, TEN, RatingScale("two", (3, 7))]


def source_of(scale, *, seed=0, n_users=40, n_items=30, density=0.4):
    """Real users who rate at random; the first has three ratings at least."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, scale.n_levels, (n_users, n_items))
    hidden = rng.random(levels.shape) >= density
    hidden[0, :3] = False
    return Source(np.where(hidden, -1, levels).astype(np.int8), scale)


sources = st.builds(
    source_of,
    st.sampled_from(SCALES),
    seed=st.integers(0, 1000),
    n_users=st.integers(1, 30),
    n_items=st.integers(3, 40),
    density=st.floats(0, 1),
)
