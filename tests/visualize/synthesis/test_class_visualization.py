"""Class visualization: its score and its range, the same result for the same seed, and the recipe of CS231n."""

from dataclasses import replace

import numpy as np
from small_networks import PLAIN, on, scored_network

from minicnn.backend import device_of, to_device, to_host
from minicnn.models.preprocessing import TORCHVISION
from minicnn.optimize import Clamp
from minicnn.visualize import (
    class_visualization,
)
from minicnn.visualize.synthesis.ascent_settings import CS231N, MARGIN
from minicnn.visualize.synthesis.class_visualization_check import check_class_visualization, high_frequency_share


def test_class_visualization_raises_the_score_and_stays_in_range(xp, rng):
    net = on(xp, scored_network(rng))
    start, progress = None, []

    def watch(step, image):
        progress.append(step)
        assert device_of(image) == net.device
    image, history = class_visualization(net, 3, PLAIN, replace(MARGIN, num_steps=30), rng=np.random.default_rng(1),
                                         callback=watch)
    assert isinstance(image, np.ndarray) and image.dtype == np.float32 and image.shape == (1, 3, 16, 16)
    assert len(history) == len(progress) == 30
    scores = to_host(net.predict(to_device(image, net.device)))[0]
    assert scores[3] > history[0].values[0] and start is None
    low, high = PLAIN.valid_range()
    assert (image >= low - 1e-6).all() and (image <= high + 1e-6).all()
    noise = rng.standard_normal(image.shape)
    rank, score, share = check_class_visualization(net, image, noise, 3, PLAIN, rng)
    assert score.value > to_host(net.predict(to_device(noise.astype(np.float32), net.device)))[0, 3]
    assert rank.value >= 1 and share.value < high_frequency_share(noise)


def test_class_visualization_is_the_same_for_the_same_seed_on_either_back_end(xp, rng):
    net = scored_network(rng)
    quick = replace(MARGIN, num_steps=5)
    one, _ = class_visualization(on(xp, net), 3, PLAIN, quick, rng=np.random.default_rng(1))
    other, _ = class_visualization(net, 3, PLAIN, quick, rng=np.random.default_rng(1))
    different, _ = class_visualization(net, 3, PLAIN, quick, rng=np.random.default_rng(2))
    assert np.allclose(one, other, atol=1e-5) and not np.allclose(one, different, atol=1e-2)


def test_the_recipe_is_cs231ns(rng):
    """The same loop as in the notebook, written out with NumPy."""
    net = scored_network(rng)
    net.input_shape = (3, 224, 224)  # so that no setting is scaled
    label, steps, size = 2, 3, 224
    from scipy.ndimage import gaussian_filter1d
    generator = np.random.default_rng(9)
    image = generator.standard_normal((1, 3, size, size), dtype="float32")
    for t in range(1, steps + 1):
        oy, ox = generator.integers(-16, 17, 2)
        image = np.roll(np.roll(image, oy, 2), ox, 3)
        trace = net.forward(image)
        seed = np.zeros((1, 5), np.float32)
        seed[0, label] = 1
        gradient = net.backward(trace, {net.output: seed})["input"] - 1e-3 * 2 * image
        image = image + 25 * gradient / np.linalg.norm(gradient)
        image = np.roll(np.roll(image, -ox, 3), -oy, 2)
        for c in range(3):
            image[:, c] = np.clip(image[:, c], (0 - TORCHVISION.mean[c]) / TORCHVISION.std[c],
                                  (1 - TORCHVISION.mean[c]) / TORCHVISION.std[c])
        if t % 2 == 0:
            image = gaussian_filter1d(gaussian_filter1d(image, 0.5, axis=2), 0.5, axis=3)
    ours, _ = class_visualization(net, label, TORCHVISION, replace(CS231N, num_steps=steps, blur_every=2),
                                  rng=np.random.default_rng(9))
    assert np.abs(ours - image).max() < 1e-3


def test_high_frequency_share_tells_noise_from_a_ramp(rng):
    ramp = np.broadcast_to(np.sin(np.linspace(0, 2 * np.pi, 64, endpoint=False)), (1, 3, 64, 64))
    assert high_frequency_share(ramp) < 1e-6 < 0.75 < high_frequency_share(rng.standard_normal((1, 3, 64, 64)))


def test_clamp_keeps_the_type():
    assert Clamp(-1.0, 1.0)(np.ones((1, 1, 2, 2), np.float32) * 3, 1).dtype == np.float32
