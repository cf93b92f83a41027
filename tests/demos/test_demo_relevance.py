"""The demos of relevance, of class maps, and of the comparison over a folder."""

import json

import numpy as np
import pytest
from demo_runs import exit_code
from PIL import Image

from demos import class_maps, compare, compare_set, relevance
from demos.shared.inputs import load_photos
from minicnn.models import load_model
from minicnn.visualize.attribution.compare import METHODS


@pytest.fixture(scope="module")
def drawn():
    """The network `shapes` and two drawn pictures."""
    model = load_model("shapes", "cpu")
    model = model._replace(net=model.net.fast())
    return model, load_photos(model, [])[:2]


def test_the_relevance_of_every_panel_adds_up_to_the_score(drawn):
    model, photos = drawn
    picture, = relevance.pictures(model, photos, baseline=[255, 0, 0])
    assert picture.array.shape == (2, 5, 3, 64, 64) and len(picture.figure.axes) == 24
    assert all(check.passed for check in picture.checks) and sum(check.judged for check in picture.checks) == 14
    score, sums = picture.parameters["score"], picture.parameters["sums"]
    assert score[0] == pytest.approx(model.net.predict(photos[0].x)[0, photos[0].label], rel=1e-4)
    assert all(sums[title] == pytest.approx(score[0], rel=1e-3) for title in relevance.TITLES.values())
    np.testing.assert_allclose(picture.array[1, :4].sum(axis=(1, 2, 3)), score[1], rtol=1e-3)
    assert picture.parameters["layers"] == ["relu5", "relu3", "relu2", "relu1"]


def test_the_class_maps_are_checked_and_shown_over_the_photo(drawn):
    model, photos = drawn
    picture, = class_maps.pictures(model, photos, channels=4, masks=6)
    assert picture.array.shape == (2, 6, 64, 64) and len(picture.figure.axes) == 14
    assert all(check.passed and check.judged for check in picture.checks) and len(picture.checks) >= 6
    assert picture.parameters["finer layer"] == "relu3" and class_maps.finer(model.net, "relu1") == "relu1"


@pytest.mark.parametrize("demo", [relevance, class_maps])
def test_the_demos_write_their_picture_and_refuse_bad_input(demo, tmp_path, capsys):
    more = ["--masks", "4", "--channels", "2"] if demo is class_maps else []
    command = ["--model", "shapes", "--device", "cpu", "--out", str(tmp_path / "out"), *more]
    assert exit_code(demo, *command) == 0
    card = json.loads((tmp_path / "out" / f"{demo.NAMES[0]}.json").read_text())
    assert all(check["passed"] for check in card["checks"]) and "FAIL" not in capsys.readouterr().out
    assert exit_code(demo, *command) == 2  # nothing is overwritten
    wrong = [["--masks", "0"], ["--layer", "fc6"]] if demo is class_maps else [["--baseline", "300"]]
    for arguments in (*wrong, ["--class", "striped dics"], ["missing.jpg"]):
        capsys.readouterr()
        assert exit_code(demo, *command, "--overwrite", *arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_is_compared_by_its_mean_areas(tmp_path, monkeypatch, capsys):
    for n in range(5):
        noise = np.random.default_rng(n).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{n}.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    monkeypatch.setattr(compare_set, "EFFORT", {"samples": 1, "steps": 1, "masks": 2, "stride": 32, "window": 32})
    monkeypatch.setattr(compare_set, "STEPS", 3)
    command = [str(tmp_path), "--model", "shapes", "--device", "cpu", "--out", str(tmp_path / "out"), "--count", "3"]
    assert exit_code(compare, *command) == 0
    said = capsys.readouterr()
    assert "4.png" in said.err and "FAIL" not in said.out  # a file that cannot be read is named and skipped
    card = json.loads((tmp_path / "out" / "compare_set.json").read_text())["parameters"]
    assert card["photos"] == ["0", "2"] and len(card["methods"]) == len(METHODS) + 1
    areas = np.load(tmp_path / "out" / "compare_set.npy")
    assert areas.shape == (2, 2, 16) and ((areas >= 0) & (areas <= 1)).all()
    np.testing.assert_allclose(card["mean deletion area"], areas[0].mean(axis=0))
    assert exit_code(compare, str(tmp_path), str(tmp_path), "--model", "shapes") == 2
    assert "give one folder, or picture files, not both" in capsys.readouterr().err


def test_ctrl_c_keeps_the_finished_photos_of_a_folder(drawn, tmp_path, monkeypatch):
    model, photos = drawn
    for n, photo in enumerate(photos):
        Image.fromarray(photo.image).save(tmp_path / f"{n}.png")
    monkeypatch.setattr(compare_set, "EFFORT", {"samples": 1, "steps": 1, "masks": 2, "stride": 32, "window": 32})
    plain, calls = compare_set.attribution_maps, []

    def interrupted(*arguments, **settings):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return plain(*arguments, **settings)
    monkeypatch.setattr(compare_set, "attribution_maps", interrupted)
    found = compare_set.set_pictures(model, *compare_set.chosen_files([tmp_path], 24))
    assert next(found).parameters["photos"] == ["0"]
    with pytest.raises(KeyboardInterrupt):
        next(found)
