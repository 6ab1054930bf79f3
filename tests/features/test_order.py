"""Order of columns: what a stable sort gives, whatever the floats."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from anomaly_lab.features.order import ascending_order

VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 3e38, -3e38]) | st.floats(-10, 10, width=32)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=VALUES))
def test_it_is_the_stable_one(scores):
    np.testing.assert_array_equal(ascending_order(scores), np.argsort(scores, axis=1, kind="stable"))
