"""Arrays of a pass that no step needs together share memory."""

from hypothesis import given
from hypothesis import strategies as st

from minicnn.fast.rows.slots import ALIGNED, Need, share

LIVES = st.tuples(st.integers(1, 5000), st.integers(0, 12), st.integers(0, 6))


@given(st.lists(LIVES, max_size=12))
def test_arrays_that_a_step_needs_together_do_not_overlap(lives):
    needs = [Need(i, size, first, first + more) for i, (size, first, more) in enumerate(lives)]
    begins, total = share(needs)
    assert total == max((begins[need.key] + need.bytes for need in needs), default=0)
    assert all(begin % ALIGNED == 0 for begin in begins.values())
    for step in range(20):
        used = sorted((begins[need.key], need.bytes) for need in needs if need.first <= step <= need.last)
        assert all(begin + size <= following for (begin, size), (following, _) in zip(used, used[1:], strict=False))


def test_two_gradients_alternate_and_filters_lie_where_no_gradient_is():
    """As in VGG: each gradient is written while the one before is read, and small ones leave room for filters."""
    needs = [Need("filters", 300, 0, 0), Need("a", 64, 0, 1), Need("b", 128, 1, 2), Need("c", 640, 2, 3),
             Need("d", 640, 3, 4)]
    begins, total = share(needs)
    assert total == 1280 and begins["c"] != begins["d"]


def test_nothing_needs_nothing():
    assert share([]) == ({}, 0)
