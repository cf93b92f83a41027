"""A limit on the memory of a block of code."""

import tracemalloc


class limited_memory:
    """Fail if a block allocates more than `limit` bytes at any time."""

    def __init__(self, limit):
        self.limit = limit

    def __enter__(self):
        tracemalloc.start()

    def __exit__(self, *problem):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.limit
