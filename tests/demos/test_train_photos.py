"""Training `photos`: the script leaves a network, its run card and its curve, and continues from its checkpoint."""

import json

import numpy as np
import pytest
from demo_runs import exit_code as demo

from demos import train_photos, train_photos_figure
from demos.train_photos_figure import high_frequencies
from minicnn.images import save_image
from minicnn.models import load_model
from minicnn.models.weights import weights_digest

SOURCES = {"red thing": "a", "blue thing": "b"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two classes of eight small photos."""
    monkeypatch.setattr(train_photos, "CLASSES", SOURCES)
    rng = np.random.default_rng(0)
    for k, name in enumerate("ab"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            photo = rng.integers(0, 100, (40, 50, 3), np.uint8)
            photo[..., 2 * k] += 150
            save_image(tmp_path / "data" / name / f"{number}.png", photo)
    return tmp_path / "data"


def test_a_training_leaves_a_network_and_continues(folder, tmp_path, capsys):
    def train(name, steps):
        return demo(train_photos, str(folder), "-o", str(tmp_path / f"{name}.h5"), "--steps", str(steps),
                    "--batch-size", "4", "--look-every", "2", "--checkpoint", str(tmp_path / f"{name}.npz"))
    assert train("whole", 4) == 0 and "mean of the classes" in capsys.readouterr().out
    model = load_model(tmp_path / "whole.h5", "cpu")
    assert model.labels == list(SOURCES) and model.sources == SOURCES
    card = json.loads((tmp_path / "whole.json").read_text())
    assert [look[0] for look in card["looks"]] == [2, 4] and card["held out"] == 4
    assert (tmp_path / "whole_curve.png").stat().st_size > 1000
    before = weights_digest(model.net)
    assert train("whole", 4) == 0  # nothing is left to train
    assert weights_digest(load_model(tmp_path / "whole.h5", "cpu").net) == before
    assert json.loads((tmp_path / "whole.json").read_text())["looks"] == card["looks"]
    assert train("whole", 5) == 0  # one step more
    assert weights_digest(load_model(tmp_path / "whole.h5", "cpu").net) != before


def test_a_folder_without_the_classes(tmp_path, capsys):
    assert demo(train_photos, str(tmp_path), "-o", str(tmp_path / "new.h5")) == 2
    assert "has no sub-folder 'Faces'" in capsys.readouterr().err


def test_a_figure_that_is_there_is_kept(tmp_path, capsys):
    (tmp_path / "there.png").write_text("precious")
    assert demo(train_photos_figure, "photos", "photos", "-o", str(tmp_path / "there.png")) == 2
    assert (tmp_path / "there.png").read_text() == "precious"


def test_the_share_of_high_frequencies():
    rows = np.arange(8)
    slow, fast, noise = (np.zeros((1, 1, 8, 8)) for _ in range(3))
    slow[:], fast[:] = np.cos(2 * np.pi * rows / 8), np.cos(np.pi * rows)
    noise[:] = np.random.default_rng(0).standard_normal((8, 8))
    assert high_frequencies(slow) < 0.2 and high_frequencies(fast) > 0.8
    assert 0.5 < high_frequencies(noise) < 0.95
