"""Adversarial training: the loss rises, the ball is never left, and a resumed training ends alike."""

import numpy as np
import pytest
from training_cases import arrays_of, noise_batches, same, tiny_net

from minicnn.backend import to_host
from minicnn.errors import InputError
from minicnn.losses import cross_entropy
from minicnn.optimize import Adam
from minicnn.training import Adversary, TrainingCheckpoint, WeightAverage, adversarial, smoothed_cross_entropy
from minicnn.training.train import train

STD = (0.25, 0.5)  # so a change of one pixel value is one of 4 or of 2 in x


def batch(xp):
    x, labels = noise_batches(batch_size=12)(0)
    return xp.asarray(x), labels


def sizes(x, changed):
    """The L2 norms of the changes, in pixel values."""
    change = to_host(changed - x) * np.reshape(STD, (1, 2, 1, 1))
    return np.sqrt((change ** 2).sum(axis=(1, 2, 3)))


@pytest.mark.parametrize("radius", [0.1, 1.0])
def test_the_loss_rises_and_the_ball_is_not_left(xp, radius):
    net, (x, labels) = tiny_net(xp), batch(xp)

    def losses(images):
        scores = net.predict(images)
        return np.array([cross_entropy(scores[n:n + 1], labels[n])[0] for n in range(len(labels))])
    changed = adversarial(net, x, labels, radius, np.random.default_rng(0), std=STD)
    assert type(changed) is type(x) and changed.dtype == x.dtype and changed.shape == x.shape
    assert sizes(x, changed).max() <= radius * (1 + 1e-5)
    assert (losses(changed) > losses(x)).all()
    other = adversarial(net, x, labels, radius, np.random.default_rng(0), std=STD, num_steps=0)
    assert sizes(x, other).max() <= radius * (1 + 1e-5)
    assert losses(changed).mean() > losses(other).mean() + 0.5 * (losses(changed) - losses(x)).mean()


def test_an_ascent_of_many_steps_ends_on_the_surface(xp):
    net, (x, labels) = tiny_net(xp), batch(xp)
    changed = adversarial(net, x, labels, 0.05, np.random.default_rng(0), std=STD, num_steps=5)
    assert sizes(x, changed) == pytest.approx(0.05 * np.ones(12), rel=1e-3)


@pytest.mark.parametrize("radius", [-1, float("nan"), float("inf")])
def test_a_radius_that_is_none(radius):
    with pytest.raises(InputError, match="^the radius of the adversary is a number of at least 0, not"):
        adversarial(tiny_net(), *batch(np), radius, np.random.default_rng(0))


def test_the_radius_grows_and_the_statistics_stay(xp):
    net, (x, labels) = tiny_net(xp), batch(xp)
    before, adversary = arrays_of(net), Adversary(1.0, STD, start=2, warm_up=10)
    assert adversary(net, x, labels, 0) is x and adversary(net, x, labels, 2) is x
    assert 0.5 < sizes(x, Adversary(1.0, STD)(net, x, labels, 0)).max() <= 1 + 1e-5
    for step, radius in ((3, 0.1), (7, 0.5), (12, 1.0), (99, 1.0)):
        changed = sizes(x, adversary(net, x, labels, step))
        assert 0.5 * radius < changed.max() <= radius * (1 + 1e-5)
    assert same(arrays_of(net), before)
    again = [to_host(adversary(net, x, labels, 7)).tobytes() for _ in range(2)]
    assert again[0] == again[1] != to_host(adversary(net, x, labels, 8)).tobytes()


def trained(xp, num_steps, path=None, **more):
    """The arrays after an adversarial training with averaged weights, and the averages."""
    net = tiny_net(xp)
    average = WeightAverage(net, 0.9)
    train(net, noise_batches(), update=Adam(0.01), num_steps=num_steps, adversary=Adversary(0.5, STD, warm_up=2),
          average=average, checkpoint=path and TrainingCheckpoint(path, 2), **more)
    return arrays_of(net), arrays_of(average.network())


def test_two_steps_resumed_equal_four_at_once(xp, tmp_path):
    arrays, averages = trained(xp, 4)
    trained(xp, 4, tmp_path / "state.npz", callback=lambda step, loss: step == 1)
    resumed, resumed_averages = trained(xp, 4, tmp_path / "state.npz")
    assert same(resumed, arrays) and same(resumed_averages, averages)
    assert not same(averages, arrays)


def test_a_checkpoint_without_averages_does_not_fit(tmp_path):
    train(tiny_net(), noise_batches(), update=Adam(0.01), num_steps=1, checkpoint=tmp_path / "state.npz")
    with pytest.raises(InputError, match="is a checkpoint of another kind of update; it differs in decay"):
        trained(np, 2, tmp_path / "state.npz")


def test_the_average_is_that_of_the_steps():
    net = tiny_net()
    average, values = WeightAverage(net, 0.5), [net.layer("fc3").params["w"]]
    train(net, noise_batches(), update=Adam(0.01), num_steps=3, average=average,
          callback=lambda step, loss: values.append(net.layer("fc3").params["w"]) and False)
    expected = values[0]
    for value, decay in zip(values[1:], (1 / 10, 2 / 11, 3 / 12), strict=True):  # smaller at the start
        expected = decay * expected + (1 - decay) * value
    assert np.allclose(average.network().layer("fc3").params["w"], expected, rtol=1e-6)


def test_smoothed_cross_entropy_is_that_to_smoothed_targets(rng):
    scores, labels = rng.standard_normal((3, 4)), [2, 0, 3]
    targets = 0.9 * np.eye(4)[labels] + 0.1 / 4
    log_probabilities = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    value, dscores = smoothed_cross_entropy(scores, labels, 0.1)
    assert value == pytest.approx(-(targets * log_probabilities).sum() / 3)
    assert np.allclose(dscores, (np.exp(log_probabilities) - targets) / 3)
    assert smoothed_cross_entropy(scores, labels, 0.0)[0] == cross_entropy(scores, labels)[0]
