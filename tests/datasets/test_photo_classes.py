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


def test_other_colours_are_a_factor_and_a_shift():
    x = np.random.default_rng(0).standard_normal((50, 3, 4, 4)).astype("float32")
    out = recoloured(x, 0.4, np.random.default_rng(1))
    assert out.dtype == np.float32
    factors = out.std(axis=(1, 2, 3)) / x.std(axis=(1, 2, 3))
    assert 0.75 < factors.min() < 0.9 and 1.1 < factors.max() < 1.25
    shift = (out - x).mean(axis=(2, 3))
    assert abs(shift).max() < 0.6 and shift.std() > 0.05
    assert np.array_equal(recoloured(x, 0.0, np.random.default_rng(1)), x)


def test_the_classes_are_folders_of_caltech_101(test_data):
    folder = test_data / "photos" / "caltech101"
    if not folder.exists():
        pytest.skip("no photos of Caltech 101")
    training, held_out = class_files(folder, CLASSES)
    assert len(training) >= 30 and min(map(len, held_out)) >= 8
