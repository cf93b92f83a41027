"""Both pixel-by-pixel methods: the seed, the callback, small sizes, and bad input."""

import numpy as np
import pytest
from texture_samples import EFROS_LEUNG, METHODS

from minicnn.datasets.textures import draw_texture
from minicnn.errors import InputError
from minicnn.visualize.texture.efros_leung import efros_leung, efros_leung_fill
from minicnn.visualize.texture.wei_levoy import wei_levoy


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_repeats_the_texture(method):
    sample = draw_texture("scales", np.random.default_rng(1), 24)
    one, two, other = (method(sample, 20, window=5, rng=np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert (one.image == two.image).all() and (one.source == two.source).all() and (one.image != other.image).any()


@pytest.mark.parametrize("method", METHODS)
def test_the_callback_counts_all_pixels(method):
    sample = draw_texture("wood", np.random.default_rng(1), 20)
    calls, known = [], []

    def watch(done, total, texture):
        calls.append((done, total))
        known.append(int((texture.source[..., 0] >= 0).sum()))
    before = sample.copy()
    texture = method(sample, (12, 16), window=5, rng=np.random.default_rng(7), callback=watch)
    done = [call[0] for call in calls]
    assert done == sorted(done) and calls[-1][0] == calls[-1][1] and known[-1] == 12 * 16 and known[0] < 12 * 16
    assert texture.image.shape == (12, 16, 3) and (sample == before).all()


def test_sizes_down_to_one_pixel(rng):
    sample = rng.integers(0, 256, (9, 8, 3), np.uint8)
    for size in (1, 2, (1, 7), (7, 2)):
        assert (efros_leung(sample, size, window=5, rng=rng).source >= 0).all()
    assert (wei_levoy(sample, 3, window=5, rng=rng).source >= 0).all()
    for method in METHODS:  # a sample of one window has a single pixel to copy
        copied = method(sample[:5, :5], 6, window=5, rng=rng).source
        assert len(np.unique(copied.reshape(-1, 2), axis=0)) > (0 if method is wei_levoy else 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change, says", [
    ({"window": 13}, "a sample of 12x20 pixels is smaller than the window of 13x13; give a larger sample or a smaller"),
    ({"window": 6}, "window is 6; expected an odd number of pixels from 3 on"),
    ({"window": 1}, "window is 1; expected an odd"),
    ({"window": -3}, "window is -3"), ({"window": 5.5}, "window is 5.5"),
    ({"size": 0}, "size is 0; expected a whole number"), ({"size": (4, -1)}, "size is .4, -1."),
    ({"size": 2.5}, "size is 2.5"),
    ({"sample": np.zeros((1, 1, 3), np.uint8)}, "a sample of 1x1 pixels is smaller than the window"),
    ({"sample": np.zeros((20, 12, 4), np.uint8)}, "alpha channel; lay it over a colour"),
    ({"sample": np.zeros((20, 12, 2), np.uint8)}, "expected a picture of shape"),
    ({"sample": np.zeros((0, 12, 3), np.uint8)}, "expected a picture of shape"),
    ({"sample": np.zeros((20, 12, 3))}, "expected a picture of type uint8 from 0 to 255, got float64")], ids=str)
def test_bad_input(method, change, says):
    given = {"sample": np.zeros((20, 12, 3), np.uint8), "size": 8, "window": 5} | change
    with pytest.raises(InputError, match=says):
        method(given.pop("sample"), given.pop("size"), rng=np.random.default_rng(0), **given)


def test_more_bad_input(rng, monkeypatch):
    sample = np.zeros((20, 12, 3), np.uint8)
    for levels in (0, 3, -1):
        with pytest.raises(InputError, match="give fewer levels|levels is -1"):
            wei_levoy(sample, 30, window=5, levels=levels, rng=rng)
    with pytest.raises(InputError, match="passes is 0; expected"):
        wei_levoy(sample, 30, window=5, passes=0, rng=rng)
    with pytest.raises(InputError, match="1 levels .* does not fit"):
        wei_levoy(sample, 2, window=5, rng=rng)
    for wrong in ({"tolerance": -1}, {"max_error": 0}, {"max_error": float("nan")}):
        with pytest.raises(InputError, match="tolerance is -1; .* from 0 on|max_error is .* above 0"):
            efros_leung(sample, 8, window=5, rng=rng, **wrong)
    with pytest.raises(InputError, match="expected a hole of type bool and shape"):
        efros_leung_fill(sample, np.zeros((12, 20), bool), rng=rng)
    with pytest.raises(InputError, match="no window of 11x11 pixels lies outside the hole"):
        efros_leung_fill(sample, np.arange(240).reshape(20, 12) % 90 == 50, rng=rng)
    monkeypatch.setattr(EFROS_LEUNG, "available_memory", lambda device: 10**5)
    with pytest.raises(InputError, match="windows of the sample take .* GB of memory"):
        efros_leung(sample, 8, window=5, rng=rng)
    with pytest.raises(InputError, match="no texture 'brick'; did you mean bricks"):
        draw_texture("brick", rng)
