"""Sums over the pixels of pictures, one axis after the other.

Channels-last, NumPy adds up all pixels of a picture one by one: of a thousand by a thousand, a float32 sum loses four
digits. Rows added to rows, long runs of memory, and then what is in the one row that is left, lose hardly any.
"""


def sum_over(x, axes):
    """x.sum(axes)."""
    for axis in axes:
        x = x.sum(axis=axis, keepdims=True)
    return x.squeeze(axes)


def mean_over(x, axes):
    """x.mean(axes, keepdims=True)."""
    for axis in axes:
        x = x.mean(axis=axis, keepdims=True)
    return x
