"""Fixtures for the tests of the demos: a photo, and Ctrl-C at a chosen step."""

import numpy as np
import pytest
from PIL import Image

from minicnn import optimize
from minicnn.visualize.style import transfer as style
from minicnn.visualize.synthesis import ascent
from minicnn.visualize.texture import gram as texture


@pytest.fixture
def photo(tmp_path):
    """A picture file."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    small.resize((120, 90)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def stop_at(monkeypatch):
    """stop_at(step): as if the user pressed Ctrl-C then; stop_at(None): no more."""
    plain = optimize.optimize_image

    def stop(at):
        def optimize_image(*arguments, callback, **settings):
            def callback_then_stop(progress, image):
                callback(progress, image)
                if progress.step == at:
                    raise KeyboardInterrupt
            return plain(*arguments, callback=callback_then_stop, **settings)
        for module in (ascent, texture, style):
            monkeypatch.setattr(module, "optimize_image", optimize_image)
    return stop
