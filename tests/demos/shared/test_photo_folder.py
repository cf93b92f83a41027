"""Folders of images: their order and labels, unreadable files, batches, executors and stores."""

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from shape_folders import write_shapes

from demos.shared import photo_folder
from demos.shared.photo_folder import collect, draw_photos, find_photos, read_photos
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.sweep import resume, start_worker
from minicnn.visualize.embedding.features import image_features


def test_a_folder_is_read_in_order_with_labels_and_skips_what_is_broken(tmp_path):
    write_shapes(tmp_path, 14)
    (tmp_path / "dotted disc" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "dotted disc" / "notes.txt").write_text("not a picture, and not meant as one")
    (tmp_path / "dotted disc" / "._2.png").write_bytes(b"what a Mac leaves behind")
    Image.new("RGB", (9, 9)).save(tmp_path / "LOOSE.PNG")
    said = []
    photos = list(read_photos(tmp_path, said.append))
    names = [photo.name for photo in photos]
    assert len(names) == 15 and names[0] == "LOOSE" and "checked disc/13" in names
    assert names[1:] == sorted(names[1:])
    assert [photo.label for photo in photos] == [None] + [name.partition("/")[0] for name in names[1:]]
    assert len(said) == 2 and "without a picture: notes.txt" in said[0]
    assert "broken.jpg: not an image" in said[1] and "\n" not in said[1]


def test_a_folder_is_read_one_picture_at_a_time(tmp_path):
    write_shapes(tmp_path, 3, by_class=False)
    photos = read_photos(tmp_path)
    assert next(photos).name == "000"
    (tmp_path / "001.png").unlink()
    said = []
    assert [photo.name for photo in read_photos(tmp_path, said.append)] == ["000", "002"] and not said


def test_a_picture_too_long_and_thin_for_the_network_is_skipped(tmp_path):
    write_shapes(tmp_path, 17, by_class=False)
    Image.new("RGB", (50_000, 2)).save(tmp_path / "000b.png")
    said = []
    found = collect(load_model("shapes", "cpu"), read_photos(tmp_path), mirror=5, report=said.append)
    assert len(found.names) == len(found.features) == len(found.thumbnails) == 17 and found.mirrored.shape == (5, 96)
    assert len(said) == 1 and said[0].startswith("skipped: 000b: cannot resize")
    with pytest.raises(InputError, match="no photos to compare"):
        collect(load_model("shapes", "cpu"), [])


def test_the_mirrored_features_are_those_of_the_mirrored_pictures():
    model, photos = load_model("shapes", "cpu"), list(draw_photos(20, 5))
    turned = [photo._replace(image=photo.image[:, ::-1].copy()) for photo in photos]
    for count in (0, 3, 16, 18, 99):
        found = collect(model, photos, mirror=count).mirrored
        np.testing.assert_allclose(found, collect(model, turned).features[:count], atol=1e-5)


def test_neither_executors_nor_a_store_decide_what_is_collected(tmp_path):
    model = load_model("shapes", "cpu")
    store = resume(tmp_path / "kept", {})

    def collected(executor=None, store=None):
        return collect(model, draw_photos(40, 3), mirror=20, executor=executor, store=store)
    whole = collected()
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, initializer=start_worker) as processes:
        for found in (collected(threads), collected(processes), collected(processes, store), collected(store=store)):
            assert found.names == whole.names and found.labels == whole.labels
            assert (found.features == whole.features).all() and (found.thumbnails == whole.thumbnails).all()
            assert (found.mirrored == whole.mirrored).all() and len(found.mirrored) == 20
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 3  # 16, 16 and 8 pictures


def test_a_batch_that_fails_in_an_executor_costs_its_pictures(monkeypatch):
    def picky(net, x, layer):
        if len(x) < 16:
            raise InputError("too few")
        return {"features": image_features(net, x, layer)}
    monkeypatch.setattr(photo_folder, "feature_arrays", picky)
    model, said = load_model("shapes", "cpu"), []
    with ThreadPoolExecutor(1) as executor:
        found = collect(model, draw_photos(20, 3), executor=executor, report=said.append)
    assert len(found.names) == len(found.features) == len(found.thumbnails) == 16
    assert said == ["skipped: 4 photos from number 17 on: too few"]
    with pytest.raises(InputError, match="too few"):  # in this thread nothing is swallowed
        collect(model, draw_photos(20, 3))


def test_folders_without_pictures_are_one_line(tmp_path):
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pictures"):
        find_photos(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="this is a file"):
        find_photos(tmp_path / "a.png")
    said = []
    with pytest.raises(InputError, match="none of the 1 picture files"):
        list(read_photos(tmp_path, said.append))
    assert len(said) == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_may_not_be_listed_is_one_line(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    with pytest.raises(InputError, match="no permission"):
        find_photos(folder)
