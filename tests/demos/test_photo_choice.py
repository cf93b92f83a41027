"""Which photos the demos of many photos use: a folder of the user, the set in the cache, or drawn shapes."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from demo_runs import exit_code
from shape_folders import write_shapes

from demos import __main__ as gallery_module
from demos import embedding_map, gallery, multifaceted, neighbours, patches, zoom_page
from demos.shared import photo_choice
from demos.shared.patch_sheet import sheet_of_channels
from demos.shared.photo_class import class_folder, network_class
from minicnn import images
from minicnn.errors import InputError
from minicnn.models import cache_folder, load_model
from minicnn.receptive_field import receptive_field
from minicnn.visualize.units.patch_pictures import crop_patch
from minicnn.visualize.units.patches import TopPatches

SHAPES = load_model("shapes", "cpu")
OTHER = SHAPES._replace(name="other")  # a network that is not known to be one of drawn shapes


@pytest.fixture
def as_other(tmp_path):
    """A weights file of a network that is not known to be one of drawn shapes."""
    from minicnn.models.weights import Header, save_weights
    header = Header("other", "shapes", SHAPES.preprocessing, SHAPES.labels)
    save_weights(tmp_path / "other.h5", SHAPES.net, header)
    return tmp_path / "other.h5"


@pytest.fixture
def fetched(empty_cache):
    """A set of 24 drawn shapes in 12 classes at the place of the fetched set imagenette."""
    folder = cache_folder() / "photos" / "imagenette"
    write_shapes(folder)
    (folder / ".about.txt").write_text("about")
    return folder


def test_a_folder_that_the_user_names_wins(fetched, tmp_path):
    assert photo_choice.choose_folder(OTHER, None, str(tmp_path), "") == (tmp_path, "")
    assert photo_choice.choose_folder(OTHER, str(tmp_path), None, "") == (tmp_path, "")
    with pytest.raises(InputError, match="give a FOLDER or --photos FOLDER, not both"):
        photo_choice.choose_folder(OTHER, "a", "b", "")


def test_a_network_that_knows_photos_gets_the_set_in_the_cache(fetched):
    folder, line = photo_choice.choose_folder(OTHER, None, None, "drawn")
    assert folder == fetched and "imagenette" in line and "\n" not in line
    assert photo_choice.choose_folder(SHAPES, None, None, "drawn") == (None, "drawn")
    digits = load_model("digits", "cpu")._replace(name="mine")
    assert photo_choice.choose_folder(digits, None, None, "drawn") == (None, "drawn")
    write_shapes(cache_folder() / "photos" / "caltech101", 12)  # the larger set comes first
    assert photo_choice.choose_folder(OTHER, None, None, "drawn")[0].name == "caltech101"


def test_without_a_set_the_line_says_how_to_get_one(empty_cache, monkeypatch):
    folder, line = photo_choice.choose_folder(OTHER, None, None, "drawn")
    assert folder is None and line.startswith("drawn; other knows photos")
    assert "minicnn fetch caltech101" in line and "--photos FOLDER" in line
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    assert photo_choice.fetched_photos() is None


def test_demos_use_the_set_in_the_cache(fetched, as_other, tmp_path, capsys):
    for demo, options, name in ((neighbours, ["-k", 2], "neighbours"), (zoom_page, ["--steps", 60], "grid_map"),
                                (embedding_map, ["--steps", 60], "embedding_map"), (patches, [], "patches")):
        out = tmp_path / name
        assert exit_code(demo, "--model", as_other, "--device", "cpu", "--out", out, *options) == 0
        said = capsys.readouterr().out
        assert said.count(f"photos: the set imagenette in {fetched.parent}") == 1
        card = json.loads((out / f"{name}.json").read_text())
        assert "24 p" in card["title"] or "24 images" in card["title"]
        assert card["times"] and all(seconds >= 0 for seconds in card["times"].values())
        assert "  time: " in said and all(stage in said for stage in card["times"])


@pytest.mark.parametrize("demo", [neighbours, zoom_page, patches])
def test_photos_are_shown_by_the_best_network_and_drawings_by_the_shipped_one(demo, fetched, monkeypatch, tmp_path):
    def asked(name, device):
        names.append(name)
        raise InputError("enough")
    names = []
    monkeypatch.setattr(demo, "choose_model", asked)
    assert exit_code(demo) == exit_code(demo, "--photos", tmp_path) == 2
    shutil.rmtree(fetched)
    assert exit_code(demo, "--photos", tmp_path) == exit_code(demo) == 2
    assert names == [None, None, None, "shapes"]


def test_the_gallery_uses_the_set_in_the_cache_and_says_how_to_get_one(fetched, monkeypatch, tmp_path):
    monkeypatch.setattr(gallery_module, "MOST", 6)
    photos, line = gallery_module.gallery_folder(OTHER, None)
    assert len(photos) == 6 and len({photo.label for photo in photos}) == 6  # spread over the classes
    assert f"photos: the set imagenette in {fetched.parent}" in line
    assert gallery_module.gallery_folder(SHAPES, None)[0] is None
    write_shapes(tmp_path / "mine", 4, by_class=False)
    photos, line = gallery_module.gallery_folder(SHAPES, str(tmp_path / "mine"))
    assert len(photos) == 4 and line == ""
    shutil.rmtree(fetched)
    photos, line = gallery_module.gallery_folder(OTHER, None)
    assert photos is None
    for text in (line, gallery.why_other("neighbours", OTHER, gallery.Given([], 0), str)):
        assert "minicnn fetch caltech101" in text and "--photos FOLDER" in text
    text = gallery.why_other("universal", OTHER, gallery.Given([], 0), str)
    assert "masks" in text and "fetch" not in text  # photos would change nothing


def test_the_option_photos_is_the_folder(fetched, tmp_path, capsys):
    write_shapes(tmp_path / "mine", 30)
    arguments = ["--model", "shapes", "--device", "cpu", "--steps", 60]
    for n, given in enumerate((["--photos", tmp_path / "mine"], [tmp_path / "mine"])):
        assert exit_code(embedding_map, *arguments, *given, "--out", tmp_path / str(n)) == 0
    first, second = (np.load(tmp_path / str(n) / "embedding_map.npy") for n in range(2))
    assert (first == second).all() and first.shape == (30, 2)
    said = capsys.readouterr().out
    assert "share of points whose nearest on the map is of their class" in said and "trustworthiness" in said
    for demo in (embedding_map, zoom_page, neighbours, patches, multifaceted):
        assert exit_code(demo, "--model", "shapes", "a", "--photos", "b", "--out", tmp_path / "no") == 2
        error = capsys.readouterr().err
        assert "--photos FOLDER, not both" in error and error.count("\n") == 1 and not (tmp_path / "no").exists()
        assert exit_code(demo, "--model", "shapes", "--photos", tmp_path / "none", "--out", tmp_path / "no") == 2
        assert "there is no such folder" in capsys.readouterr().err


def test_a_map_of_photos_without_classes(tmp_path, capsys):
    write_shapes(tmp_path / "mine", 30, by_class=False)
    assert exit_code(embedding_map, "--model", "shapes", "--device", "cpu", "--steps", 60, "--photos",
                     tmp_path / "mine", "--count", 20, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "20 images" in said and "of their class" not in said and "trustworthiness" in said


def test_only_the_largest_classes_have_colours():
    labels = np.repeat(np.arange(30), np.arange(1, 31))
    shown, names = embedding_map.largest_classes(labels, [f"class {n}" for n in range(30)])
    assert names[0] == embedding_map.OTHERS and len(names) == 19 and names[1] == "class 12"
    for n in range(30):
        assert {names[one] for one in shown[labels == n]} == {f"class {n}" if n > 11 else embedding_map.OTHERS}
    assert embedding_map.largest_classes(np.arange(18), ["a"] * 18)[1] == ["a"] * 18


def test_the_sheet_shows_the_patches_of_all_channels():
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 250, (4, 64, 64, 3), dtype=np.uint8)
    field = receptive_field(SHAPES.net, "relu3")
    side = SHAPES.net.shapes()["relu3"][2]
    best = TopPatches(rng.random((5, 9)).astype(np.float32) + 0.1, rng.integers(0, 4, (5, 9)),
                      *rng.integers(0, side, (2, 5, 9)))
    best.values[4, 8] = -np.inf
    loaded = []
    sheet = sheet_of_channels(best, field, lambda number: loaded.append(number) or photos[number])
    assert sorted(loaded) == [0, 1, 2, 3]  # each once
    square, patch = 3 * 33 - 1 + 6, 33
    assert sheet.shape == (2 * square - 6, 3 * square - 6, 3)
    for channel in range(5):
        for rank in range(9):
            top, left = channel // 3 * square + rank // 3 * patch, channel % 3 * square + rank % 3 * patch
            crop = crop_patch(photos[best.images[channel, rank]], field, best.ys[channel, rank], best.xs[channel, rank])
            expected = images.resize(crop, 32, 32) if (channel, rank) != (4, 8) else 255
            assert (sheet[top:top + 32, left:left + 32] == expected).all()


def test_patches_of_photos_come_with_the_sheet(tmp_path, capsys):
    write_shapes(tmp_path / "mine", 12)
    assert exit_code(patches, "--model", "shapes", "--device", "cpu", "--photos", tmp_path / "mine", "--layer", "relu1",
                     "--channels", "3", "--out", tmp_path / "out") == 0
    card = json.loads((tmp_path / "out" / "patches.json").read_text())
    assert card["pictures"] == ["patches_all_channels.png"] and (tmp_path / "out" / card["pictures"][0]).exists()
    assert card["parameters"]["channels searched"] == SHAPES.net.shapes()["relu1"][1]
    assert "search of all channels" in card["times"] and "time: search of all channels" in capsys.readouterr().out


def test_the_photos_of_one_class_of_a_collection(tmp_path):
    for name, count in (("Grand_piano", 2), ("dotted-disc", 3), ("faces", 1)):
        for n in range(count):
            (tmp_path / name).mkdir(exist_ok=True)
            images.save_image(tmp_path / name / f"{n}.png", np.zeros((8, 8, 3), np.uint8))
    folder, line = class_folder(SHAPES, tmp_path, None)
    assert folder.name == "dotted-disc" and "3 photos in dotted-disc, the largest of 3 classes" in line
    assert class_folder(SHAPES, tmp_path, "grand piano")[0].name == "Grand_piano"
    assert class_folder(SHAPES, tmp_path, str(SHAPES.labels.index("dotted disc")))[0].name == "dotted-disc"
    folder, line = class_folder(SHAPES, tmp_path, "checked star")
    assert folder == tmp_path and "all 6 photos, as no sub-folder is named checked star" in line
    with pytest.raises(InputError, match="no class 'zebra'.*; the sub-folders are Grand_piano, dotted-disc, faces"):
        class_folder(SHAPES, tmp_path, "zebra")
    assert class_folder(SHAPES, tmp_path / "faces", None) == (tmp_path / "faces", "")
    assert network_class(SHAPES, "grand piano") is None and network_class(SHAPES, "dotted disc") is not None


def test_the_source_folder_of_a_label_is_found(tmp_path):
    for name in ("Motorbikes", "car_side"):
        (tmp_path / name).mkdir()
        images.save_image(tmp_path / name / "0.png", np.zeros((8, 8, 3), np.uint8))
    model = SimpleNamespace(labels=["car", "motorbike"], sources={"car": "car_side", "motorbike": "Motorbikes"},
                            find_class=lambda name: ["car", "motorbike"].index(name))
    assert class_folder(model, tmp_path, "motorbike")[0].name == "Motorbikes"


def test_multifaceted_uses_a_class_of_the_collection(tmp_path, capsys):
    write_shapes(tmp_path / "mine", 60)
    assert exit_code(multifaceted, "--model", "shapes", "--device", "cpu", "--photos", tmp_path / "mine", "--class",
                     "dotted star", "--facets", "2", "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "class: 5 photos in dotted star" in said and "2 facets of 5 images of dotted star" in said
