"""One step of an optimization, and step numbers that continue over several runs of the loop."""

from collections.abc import Callable
from typing import Any, NamedTuple

from minicnn.backend import Array
from minicnn.shown import html_fields, short_fields


class Progress(NamedTuple):
    """One step of `optimize_image`: its number from 1, the total before the step, and the value of each term."""

    step: int
    total: float
    values: list[float]

    def __repr__(self) -> str:
        return short_fields(self)

    def _repr_html_(self) -> str:
        return html_fields(self)


def renumbered(history: list[Progress], before: int) -> list[Progress]:
    """Return the history with its step numbers continued after `before` earlier steps.

    >>> renumbered([Progress(1, 0.5, [0.5])], before=10)
    [Progress(step=11, total=0.5, values=[0.5])]
    """
    return [progress._replace(step=before + progress.step) for progress in history]


class Renumbered:
    """Wrap a callback so that step numbers continue after `before` earlier steps.

    callback : called with (Progress, image), or None. stopped : True once the callback has returned a true value.
    """

    def __init__(self, callback: Callable[[Progress, Array], Any] | None, before: int) -> None:
        self.callback, self.before, self.stopped = callback, before, False

    def __call__(self, progress: Progress, image: Array) -> bool:
        if self.callback is not None:
            self.stopped = bool(self.callback(progress._replace(step=self.before + progress.step), image))
        return self.stopped
