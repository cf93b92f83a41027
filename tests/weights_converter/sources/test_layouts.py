"""Each layout against its definition in loops."""

import numpy as np
import pytest

from weights_converter.sources.layouts import (
    AS_OURS,
    HWIO,
    TRANSPOSED,
    linear_as_hwio,
    linear_as_oihw,
    linear_over_hwc,
)


def test_hwio(rng):
    ours = rng.standard_normal((5, 4, 3, 2))  # OIHW
    theirs = np.empty(HWIO.source_shape(ours.shape))
    for o, i, h, w in np.ndindex(ours.shape):
        theirs[h, w, i, o] = ours[o, i, h, w]
    np.testing.assert_array_equal(HWIO.to_ours(theirs), ours)


@pytest.mark.parametrize("layout, place", [
    (AS_OURS, lambda o, c, h, w: (o, c * 4 + h * 2 + w)),
    (linear_over_hwc(2), lambda o, c, h, w: (h * 6 + w * 3 + c, o)),
    (linear_as_hwio(2), lambda o, c, h, w: (h, w, c, o)),
    (linear_as_oihw(2), lambda o, c, h, w: (o, c, h, w)),
], ids=["ours", "over hwc", "as hwio", "as oihw"])
def test_linear_over_an_activation(rng, layout, place):
    ours = rng.standard_normal((5, 3 * 2 * 2))  # (outputs, inputs flattened from C, H, W)
    theirs = np.empty(layout.source_shape(ours.shape))
    for o, c, h, w in np.ndindex(5, 3, 2, 2):
        theirs[place(o, c, h, w)] = ours[o, c * 4 + h * 2 + w]
    back = layout.to_ours(theirs)
    assert np.shares_memory(back, theirs) and len(back) == 5  # a view, whose rows the caller reshapes
    np.testing.assert_array_equal(back.reshape(5, -1), ours)


def test_linear_after_another(rng):
    ours = rng.standard_normal((5, 4))
    np.testing.assert_array_equal(TRANSPOSED.to_ours(ours.T), ours)
    np.testing.assert_array_equal(linear_as_hwio(1).to_ours(ours.T.reshape(1, 1, 4, 5)).reshape(5, 4), ours)
    np.testing.assert_array_equal(linear_as_oihw(1).to_ours(ours.reshape(5, 4, 1, 1)).reshape(5, 4), ours)
