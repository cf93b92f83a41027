"""A bound on the memory that a block of code takes."""

import tracemalloc


class limited_memory:
    """Fail where a block takes more memory than `limit` bytes at any time."""

    def __init__(self, limit):
        self.limit = limit

    def __enter__(self):
        tracemalloc.start()

    def __exit__(self, *problem):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < self.limit
