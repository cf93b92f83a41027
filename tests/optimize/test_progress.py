"""Step numbers that continue over several runs of the loop."""

import numpy as np
import pytest
from optimization_cases import network

from minicnn.losses import L2
from minicnn.optimize import GradientDescent, Progress, Renumbered, optimize_image, renumbered


def minimise(num_steps, callback=None):
    return optimize_image(network(np), np.ones((1, 3, 8, 8)), [(1.0, L2())], update=GradientDescent(0.1),
                          num_steps=num_steps, callback=callback)


def test_the_history_of_a_second_run_is_renumbered():
    _, history = minimise(2)
    assert [progress.step for progress in renumbered(history, 7)] == [8, 9]
    assert [progress[1:] for progress in renumbered(history, 7)] == [progress[1:] for progress in history]


def test_a_callback_gets_the_continued_numbers_and_can_end_the_run():
    steps = []

    def stop_at_nine(progress, image):
        steps.append(progress.step)
        return progress.step == 9
    callback = Renumbered(stop_at_nine, before=7)
    _, history = minimise(5, callback)
    assert steps == [8, 9] and callback.stopped and [progress.step for progress in history] == [1, 2]


@pytest.mark.parametrize("callback", [None, lambda progress, image: None])
def test_a_callback_that_does_not_end_the_run(callback):
    wrapped = Renumbered(callback, before=3)
    _, history = minimise(2, wrapped)
    assert not wrapped.stopped and len(history) == 2
    assert not wrapped(Progress(1, 0.0, []), np.ones(1))
