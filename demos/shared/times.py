"""The time of each stage of a demo, for its run card and for a line on the terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Times:
    """The seconds that each stage took. seconds : {stage: seconds}, in the order of the first measurements."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of the block to the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0) + time.perf_counter() - start, 3)


def line_of(seconds: Mapping[str, float]) -> str:
    """Return the times as text.

    >>> line_of({"features": 75.12, "t-SNE": 40})
    'features 75.1 s, t-SNE 40.0 s'
    """
    return ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())
