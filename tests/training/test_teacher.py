"""Distillation: targets of a teacher, their loss, and a teacher that is fitted to few labels."""

import numpy as np
import pytest
from training_cases import noise_batches, tiny_net

from minicnn.backend import to_host
from minicnn.losses import cross_entropy
from minicnn.training import TaughtBatches, cross_entropy_to, fit_teacher

LAYER = "relu1"


def colours(step):
    """Images of 2 channels, one of which is large, with the number of that channel."""
    rng = np.random.default_rng(step)
    labels = rng.integers(0, 2, 16)
    x = rng.normal(0, 0.1, (16, 2, 6, 6))
    x[np.arange(16), labels] += 1
    return x.astype("float32"), labels


def test_the_loss_is_cross_entropy_if_one_class_is_certain(xp, rng):
    scores, labels = xp.asarray(rng.standard_normal((5, 4))), [0, 3, 1, 1, 2]
    value, gradient = cross_entropy_to(scores, np.eye(4)[labels])
    expected, expected_gradient = cross_entropy(scores, labels)
    assert value == pytest.approx(expected, rel=1e-12)
    assert abs(to_host(gradient - expected_gradient)).max() < 1e-15


def test_the_gradient_of_the_loss_equals_finite_differences(rng):
    scores, targets = rng.standard_normal((3, 4)), rng.dirichlet(np.ones(4), 3)
    gradient = cross_entropy_to(scores, targets)[1]
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-6
        slope = (cross_entropy_to(scores + step, targets)[0] - cross_entropy_to(scores - step, targets)[0]) / 2e-6
        assert slope == pytest.approx(gradient[place], abs=1e-9)


@pytest.mark.parametrize("size", [6, 9])
def test_a_fitted_teacher_knows_new_images(xp, size):
    teacher = fit_teacher(tiny_net(xp), LAYER, size, colours, 8, 2)
    x, labels = colours(100)
    probabilities = teacher(x)
    assert isinstance(probabilities, np.ndarray) and probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(16), rel=1e-6)
    assert (probabilities.argmax(axis=1) == labels).all() and probabilities.max(axis=1).mean() > 0.9
    swapped = teacher(x[:, ::-1])
    assert (swapped.argmax(axis=1) == 1 - labels).all()


def test_the_targets_share_labels_and_teacher():
    def teacher(x):
        return np.tile(np.float32([0.1, 0.2, 0.7]), (len(x), 1))
    batches = TaughtBatches(noise_batches(batch_size=4), teacher, 0.25, noise_batches(batch_size=2))
    x, targets = batches(3)
    _, labels = noise_batches(batch_size=4)(3)
    assert len(x) == len(targets) == 6
    expected = 0.25 * teacher(x)
    expected[np.arange(4), labels] += 0.75
    assert targets[:4] == pytest.approx(expected[:4]) and targets[4:] == pytest.approx(teacher(x)[4:])
    alone = TaughtBatches(noise_batches(batch_size=4), teacher, 0.25)(3)
    assert np.array_equal(alone[0], x[:4]) and np.array_equal(alone[1], targets[:4])
