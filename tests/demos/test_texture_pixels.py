"""The demo of pixel-by-pixel textures: its files, its messages, and Ctrl-C."""

import json

import numpy as np
import pytest
from demo_runs import exit_code
from PIL import Image
from texture_samples import EFROS_LEUNG

from demos import texture_pixels as demo
from demos.texture_crop import framed, read_sample, textured_part
from minicnn import images
from minicnn.datasets.textures import draw_texture


def run_demo(*arguments):
    return exit_code(demo, *arguments)


def read(folder):
    """Return the array and the run card. The folder must hold no other file, except the picture."""
    assert sorted(path.name for path in folder.iterdir()) == [
        "texture_pixels.json", "texture_pixels.npy", "texture_pixels.png"]
    assert Image.open(folder / "texture_pixels.png").size[0] > 100
    return np.load(folder / "texture_pixels.npy"), json.loads((folder / "texture_pixels.json").read_text())


SMALL = ["--sample", "24", "--size", "20", "--window", "5"]


def test_without_a_sample_a_texture_is_drawn(tmp_path, capsys):
    assert run_demo(*SMALL, "--seed", "2", "--windows", "5", "7", "25", "--out", str(tmp_path / "out")) == 0
    array, card = read(tmp_path / "out")
    said = capsys.readouterr().out
    assert "no SAMPLE was given: the texture scales is drawn; --texture NAME draws one of scales, bricks" in said
    assert "FAIL" not in said
    assert card["parameters"]["pictures"] == [["Efros-Leung", 5], ["Wei-Levoy", 5], ["Efros-Leung", 7]]
    assert array.shape == (3, 20, 20, 5) and card["model"] is card["weights_sha256"] is None and card["device"] == "cpu"
    sample = draw_texture("scales", np.random.default_rng([2, 1]), 24)
    assert (sample[array[..., 3], array[..., 4]] == array[..., :3]).all()
    assert card["checks"] and all(check["passed"] for check in card["checks"])


@pytest.mark.parametrize("kind", ["colour", "grey", "alpha"])
def test_a_picture_file_as_the_sample(kind, tmp_path):
    picture = draw_texture("weave", np.random.default_rng(0), 60)
    image = Image.fromarray(picture)
    if kind == "grey":
        image = image.convert("L")
    if kind == "alpha":
        image.putalpha(200)
    image.save(tmp_path / "photo.png")
    assert run_demo(str(tmp_path / "photo.png"), "--crop", "8", "16", "24", *SMALL, "--method", "efros_leung",
                    "--windows", "--out", str(tmp_path / "out")) == 0
    array, card = read(tmp_path / "out")
    sample = images.load_image(tmp_path / "photo.png")[8:32, 16:40]
    assert (sample[array[..., 3], array[..., 4]] == array[..., :3]).all() and card["parameters"]["sample"] == "photo"
    if kind == "grey":
        assert (array[..., 0] == array[..., 1]).all()


def test_holes_and_extension(tmp_path, capsys):
    assert run_demo("--texture", "bricks", "--sample", "30", "--window", "5", "--hole", "4", "20", "6", "5",
                    "--extend", "3", "--out", str(tmp_path / "out")) == 0
    array, card = read(tmp_path / "out")
    assert array.shape == (1, 36, 36, 5) and card["parameters"]["missing"] == 36**2 - 30**2 + 30
    assert "FAIL" not in capsys.readouterr().out and (array[..., 3:] >= 0).all()


def test_both_backends_give_the_same_picture(strict_cupy, tmp_path):
    for device in ("gpu", "cpu"):
        assert run_demo(*SMALL, "--windows", "--device", device, "--out", str(tmp_path / device)) == 0
    (on_gpu, card), (on_cpu, _) = read(tmp_path / "gpu"), read(tmp_path / "cpu")
    assert (on_gpu == on_cpu).all() and card["device"] == "gpu"


@pytest.mark.parametrize("options", [[], ["--extend", "8"]], ids=str)
def test_ctrl_c_saves_the_unfinished_texture(options, tmp_path, monkeypatch, capsys):
    plain = EFROS_LEUNG.independent_waves
    layers = []

    def interrupt_fourth_call(*arguments):
        layers.append(arguments)
        if len(layers) == 4:
            raise KeyboardInterrupt
        return plain(*arguments)
    monkeypatch.setattr(EFROS_LEUNG, "independent_waves", interrupt_fourth_call)
    assert run_demo(*SMALL, *options, "--out", str(tmp_path / "out")) == 130
    array, card = read(tmp_path / "out")
    known = array[0, ..., 3] >= 0
    assert known.sum() == (9**2 if not options else 30**2) and card["parameters"]["interrupted"] is True
    assert "interrupted" in card["title"] and "interrupted" in capsys.readouterr().err


def test_an_early_ctrl_c_writes_nothing(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr(EFROS_LEUNG, "patch_matrix", interrupted)
    assert run_demo(*SMALL, "--out", str(tmp_path / "out")) == 130 and not (tmp_path / "out").exists()
    assert run_demo(*SMALL, "--extend", "2", "--out", str(tmp_path / "out")) == 130 and not (tmp_path / "out").exists()


def test_existing_files_are_not_overwritten(tmp_path, capsys):
    (tmp_path / "texture_pixels.png").write_text("precious")
    assert run_demo(*SMALL, "--out", str(tmp_path)) == 2
    assert "holds texture_pixels.png" in capsys.readouterr().err
    assert (tmp_path / "texture_pixels.png").read_text() == "precious"


@pytest.mark.parametrize("options, says", [
    (["--window", "6"], "window is 6; expected an odd number"),
    (["--window", "25"], "a sample of 24x24 pixels is smaller than"),
    (["--windows", "4"], "window is 4; expected an odd number"),
    (["--window", "1"], "window is 1; expected an odd number"),
    (["--texture", "wod"], "no texture 'wod'; did you mean wood"), (["--size", "0"], "expected a whole number from 1"),
    (["--method", "efros"], "no method 'efros'"), (["--method", "wei_levi"], "did you mean wei_levoy"),
    (["--levels", "5", "--windows"], "5 levels halve"), (["--device", "tpu"], "no device 'tpu'"),
    (["--hole", "20", "20", "9", "9"], "does not lie within the picture of 24x24"),
    (["--hole", "20", "20", "0", "9"], "does not lie within"), (["--hole", "2", "2", "20", "20"], "no window of 5x5"),
    (["no_such.jpg"], "no_such.jpg"), (["{dot}"], "dot.png: 1x1 pixels is too small"), (["{flat}"], "smaller than the"),
    (["{flat}", "--crop", "2", "0", "3"], "flat.png has 9x4 pixels: there is no square of 3 from row 2, column 0"),
    (["{flat}", "--texture", "wood"], "not both"), (["{broken}"], "broken.png")], ids=str)
def test_bad_input_gives_one_line_and_exit_code_2(options, says, tmp_path, capsys):
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (9, 4)).save(tmp_path / "flat.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    files = {name: str(tmp_path / f"{name}.png") for name in ("dot", "flat", "broken")}
    assert run_demo(*SMALL, *[option.format(**files) for option in options], "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.fixture
def half_texture(tmp_path):
    """A photo, 200x300: a smooth sky, a hard edge, and bricks only from row 96 and column 140 on."""
    photo = np.full((200, 300, 3), 230, np.uint8)
    photo[:, :60] = 20
    photo[96:, 140:] = draw_texture("weave", np.random.default_rng(0), 160)[:104, :160]
    Image.fromarray(photo).save(tmp_path / "photo.png")
    return tmp_path / "photo.png", photo


def test_a_photo_is_cropped_to_its_texture_and_not_shrunk(half_texture, tmp_path, capsys):
    path, photo = half_texture
    assert run_demo(str(path), "--sample", "48", "--size", "24", "--window", "5", "--method", "wei_levoy", "--windows",
                    "--out", str(tmp_path / "out")) == 0
    array, card = read(tmp_path / "out")
    top, left = card["parameters"]["sample_place"]
    assert 96 <= top <= 152 and 140 <= left <= 252 and card["parameters"]["sample_size"] == [48, 48]
    sample = photo[top:top + 48, left:left + 48]
    assert (sample[array[..., 3], array[..., 4]] == array[..., :3]).all()
    said = capsys.readouterr().out
    assert f"the sample is 48x48 of the photo's 300x200 pixels, from row {top}, column {left}" in said


@pytest.mark.parametrize("shape", [(2, 2), (2, 500), (500, 2), (64, 64), (63, 65), (1, 1), (300, 70)])
@pytest.mark.parametrize("flat", [True, False])
def test_every_shape_has_a_textured_part(shape, flat):
    image = np.zeros((*shape, 3), np.uint8) if flat else np.random.default_rng(0).integers(0, 256, (*shape, 3), "uint8")
    top, left = textured_part(image, 64)
    assert 0 <= top <= max(0, shape[0] - 64) and 0 <= left <= max(0, shape[1] - 64)


def test_the_frame_is_around_the_part_and_not_in_it():
    image = np.zeros((40, 50, 3), np.uint8)
    shown = framed(image, 0, 10, 20, 40)
    assert not image.any() and not shown[:20, 10:50].any() and (shown[20, 10:] == (255, 0, 0)).all()
    assert (shown[:20, 9] == (255, 0, 0)).all()


def test_the_picture_can_be_reduced_first_and_a_hole_has_the_whole_picture(half_texture):
    path, photo = half_texture
    assert read_sample(str(path), None, 48, reduce=150).photo.shape == (100, 150, 3)
    assert read_sample(str(path), None, 48, whole=True).image.shape == (48, 72, 3)
    assert read_sample(str(path), None, 400).image.shape == photo.shape
    assert read_sample(str(path), (0, 0, 100), 48).image.shape == (48, 48, 3)
