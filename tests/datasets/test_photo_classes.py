"""Photographs in folders of classes: the split, the batches, the crops."""

import numpy as np
import pytest

from minicnn.datasets.photo_classes import (
    CLASSES,
    PREPROCESSING,
    SHORT_SIDE,
    PhotoBatches,
    class_files,
    held_out_photos,
    hide_rectangles,
    random_crop,
    read_small,
    recoloured,
)
from minicnn.errors import InputError
from minicnn.images import save_image

SOURCES = {"first": "a", "second": "b"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two folders of classes, of 10 and 15 small photos, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("photos")
    for k, (name, count) in enumerate((("a", 10), ("b", 15))):
        (folder / name).mkdir()
        for number in range(count):
            save_image(folder / name / f"{number:02}.png", np.full((20, 30, 3), 100 * k + number, np.uint8))
    (folder / "a" / "notes.txt").write_text("no photo")
    return folder


def test_the_parts_of_the_split_are_disjoint_and_seeded(folder):
    training, held_out = class_files(folder, SOURCES)
    assert list(map(len, training)) == [8, 12] and list(map(len, held_out)) == [2, 3]
    for k, name in enumerate("ab"):
        assert sorted(training[k] + held_out[k]) == sorted((folder / name).glob("*.png"))
    assert class_files(folder, SOURCES) == (training, held_out)
    assert class_files(folder, {"second": "b"})[1] == held_out[1:]  # whatever the other classes are
    assert any(class_files(folder, SOURCES, seed=seed)[1] != held_out for seed in (2, 3))


def test_a_folder_of_another_kind(folder, tmp_path):
    with pytest.raises(InputError, match="has no sub-folder 'c'"):
        class_files(folder, {"third": "c"})
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="has 0 photos; a class needs at least 5"):
        class_files(tmp_path, {"first": "a"})


def test_held_out_photos_are_the_networks_input(folder):
    x, labels = held_out_photos(class_files(folder, SOURCES)[1])
    assert x.shape == (5, 3, 128, 128) and labels.tolist() == [0, 0, 1, 1, 1]
    assert x.dtype == np.float32 and read_small(folder / "a" / "00.png").shape == (SHORT_SIDE, 216, 3)
    grey = PREPROCESSING.to_images(x)[:, 0, 0, 0]
    assert (grey[:2] < 10).all() and (grey[2:] >= 100).all()


def test_a_batch_depends_on_the_seed_and_the_step_alone():
    rng = np.random.default_rng(0)
    photos = [[rng.integers(0, 256, (30, 40, 3), np.uint8) for _ in range(count)] for count in (3, 7)]
    batches = PhotoBatches(photos, 4, seed=1, per_class=5, small_steps=1)
    assert batches.steps_per_epoch() == 2  # of 3 + 5 photos
    x, labels = batches(1)
    assert x.shape == (4, 3, 128, 128) and x.dtype == np.float32 and batches(0)[0].shape == (4, 3, 96, 96)
    again, same_labels = PhotoBatches(photos, 4, seed=1, per_class=5, small_steps=1)(1)
    assert np.array_equal(again, x) and np.array_equal(same_labels, labels)
    assert not np.array_equal(batches(3)[0], x)
    for epoch in range(3):
        seen = np.concatenate([batches(2 * epoch + place)[1] for place in (0, 1)])
        assert np.bincount(seen).tolist() == [3, 5]
    with pytest.raises(InputError, match="a batch of 9 needs more photos than there are"):
        PhotoBatches(photos, 9, per_class=5)(0)


def test_a_crop_is_a_square_of_the_photo_mirrored_half_of_the_time():
    photo = np.zeros((40, 60, 3), np.uint8)
    photo[..., 0], photo[..., 1] = np.arange(60) * 4, (np.arange(40) * 6)[:, None]
    rng, mirrored, widths = np.random.default_rng(0), 0, []
    for _ in range(60):
        crop = random_crop(photo, 40, 0.5, rng).astype(float)
        assert crop.shape == (40, 40, 3)
        slope = (crop[:, -1, 0] - crop[:, 0, 0]).mean() / 4
        mirrored += slope < 0
        widths.append(abs(slope))
        assert (crop[-1, :, 1] > crop[0, :, 1]).all()  # never upside down
    assert 18 <= mirrored <= 42 and 18 < min(widths) < 26 and 34 < max(widths) <= 40


def test_other_colours_are_less_saturated_or_contrasted_or_tinted():
    x = np.random.default_rng(0).standard_normal((200, 3, 4, 4)).astype("float32")
    out = recoloured(x, 0.4, np.random.default_rng(1))
    assert out.dtype == np.float32
    grey, was = (array.mean(axis=1) - array.mean(axis=(1, 2, 3))[:, None, None] for array in (out, x))
    contrasts = grey.std(axis=(1, 2)) / was.std(axis=(1, 2))
    assert np.exp(-0.41) < contrasts.min() < 0.72 and 1.4 < contrasts.max() < np.exp(0.41)
    saturation = saturations(out) / saturations(x) / contrasts
    assert 0.38 < saturation.min() < 0.45 and 1.15 < saturation.max() < 1.21
    assert abs(recoloured(x, 0.0, np.random.default_rng(1)) - x).max() < 1e-6
    assert saturations(recoloured(x, 0.7, np.random.default_rng(1))).min() < 1e-6  # some are grey


def saturations(x):
    """The spread of the colours around grey, without the tint that is the same everywhere."""
    colours = x - x.mean(axis=1, keepdims=True)
    return (colours - colours.mean(axis=(2, 3), keepdims=True)).std(axis=(1, 2, 3))


def test_a_rectangle_of_one_colour_is_hidden_in_a_share_of_the_images():
    x = np.random.default_rng(0).standard_normal((200, 3, 32, 32)).astype("float32")
    out = x.copy()
    hide_rectangles(out, 0.3, np.random.default_rng(1))
    changed = (out != x).any(axis=1)  # (N, H, W)
    touched = changed.any(axis=(1, 2))
    assert 40 <= touched.sum() <= 80
    for image, where in zip(out[touched], changed[touched], strict=True):
        rows, columns = where.any(axis=1), where.any(axis=0)
        assert (where == rows[:, None] & columns).all() and 6 <= rows.sum() <= 20 and 6 <= columns.sum() <= 20
        assert all(len(set(channel[where])) == 1 for channel in image)


def test_the_classes_are_folders_of_caltech_101(test_data):
    folder = test_data / "photos" / "caltech101"
    if not folder.exists():
        pytest.skip("no photos of Caltech 101")
    training, held_out = class_files(folder, CLASSES)
    assert len(training) >= 30 and min(map(len, held_out)) >= 6
