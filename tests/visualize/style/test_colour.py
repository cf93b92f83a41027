"""The colours of the content in a stylised picture."""

import numpy as np
import pytest

from minicnn.visualize.style import colour


def test_keep_colours(rng):
    painted, photo = rng.integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    kept = colour.keep_colours(painted, photo)
    assert kept.dtype == np.uint8
    assert np.abs(colour.to_yuv(kept) - colour.to_yuv(photo))[..., 1:].max() < 1e-5
    y, target = colour.luminance(kept), colour.luminance(painted)
    inside = np.abs(y - target) < 0.6  # grey levels, by rounding
    assert inside.mean() > 0.2  # for the other pixels no RGB colour has this luminance
    assert ((kept[~inside].min(axis=-1) <= 1) | (kept[~inside].max(axis=-1) >= 254)).all()
    assert (colour.keep_colours(photo, photo) == photo).all()


def test_match_colours(rng):
    style, photo = rng.uniform(0, 255, (2, 20, 30, 3)) * [1, 0.5, 0.7] + [0, 20, 40]
    photo = photo @ rng.standard_normal((3, 3)) / 3 + 60
    matched = colour.match_colours(style, photo)
    assert np.allclose(matched.reshape(-1, 3).mean(axis=0), photo.reshape(-1, 3).mean(axis=0), rtol=1e-9)
    assert np.allclose(np.cov(matched.reshape(-1, 3).T), np.cov(photo.reshape(-1, 3).T), rtol=1e-9)
    grey = colour.match_colours(colour.grey(style), photo)
    assert np.isfinite(grey).all() and np.allclose(grey.mean(axis=(0, 1)), photo.mean(axis=(0, 1)))


def test_match_luminance(rng):
    style, photo = rng.uniform(0, 255, (2, 9, 8, 3)) * 0.4 + 30
    matched = colour.match_luminance(style, photo)
    assert (matched[..., 0] == matched[..., 2]).all()
    assert matched.mean() == pytest.approx(colour.luminance(photo).mean())
    assert matched.std() == pytest.approx(colour.luminance(photo).std())
    assert np.isfinite(colour.match_luminance(np.full((4, 4, 3), 9.0), photo)).all()
