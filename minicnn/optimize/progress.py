"""One step of an optimization, and step numbers that continue over several runs of the loop."""

from typing import Any, NamedTuple


class Progress(NamedTuple):
    """One step of `optimize_image`: its number from 1, the total before it, and each term's own value."""

    step: int
    total: float
    values: list[float]


def renumbered(history: list[Progress], before: int) -> list[Progress]:
    """Return the history with its step numbers continued after `before` earlier steps."""
    return [progress._replace(step=before + progress.step) for progress in history]


class Renumbered:
    """Wrap a callback so that step numbers continue after `before` earlier steps.

    callback : called with (Progress, image), or None. stopped : True once the callback has asked for the end.
    """

    def __init__(self, callback: Any, before: int) -> None:
        self.callback, self.before, self.stopped = callback, before, False

    def __call__(self, progress: Progress, image: Any) -> bool:
        if self.callback is not None:
            self.stopped = bool(self.callback(progress._replace(step=self.before + progress.step), image))
        return self.stopped
