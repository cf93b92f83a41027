"""Folders as users have them: links, pipes, odd names, files of other kinds. Each file left out is named."""

import os
import socket

import numpy as np
import pytest
from demo_runs import exit_code
from PIL import Image

from demos import neighbours, saliency
from demos.shared.inputs import load_photos, short_label
from demos.shared.photo_files import find_photos
from demos.shared.photo_folder import read_photos
from minicnn import images
from minicnn.errors import InputError
from minicnn.models import load_model

pytestmark = pytest.mark.usefixtures("empty_cache")
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def save(path, **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(PIXELS).save(path, **options)


def found(folder):
    """Return (names, lines) of find_photos."""
    lines = []
    names = [path.name for path in find_photos(folder, lines.append)]
    assert all(line.isprintable() and len(line) < 1000 for line in lines)
    return names, lines


def test_every_kind_of_file_that_pillow_opens_is_found(tmp_path):
    for suffix in (".png", ".JPG", ".jpeg", ".jfif", ".jpe", ".gif", ".webp", ".bmp", ".tif", ".tga", ".ppm", ".ico",
                   ".jp2", ".pcx", ".qoi", ".apng", *((".avif",) if ".avif" in images.readable_suffixes() else ())):
        save(tmp_path / f"a{suffix}")
    names, lines = found(tmp_path)
    assert len(names) == len(os.listdir(tmp_path)) and not lines
    assert len(list(read_photos(tmp_path, lines.append))) == len(names) and not lines


def test_pictures_without_their_suffix_are_found(tmp_path):
    save(tmp_path / "image_0001", format="JPEG")
    save(tmp_path / "photo.jpg?size=large", format="PNG")
    save(tmp_path / "photo.txt", format="GIF")
    names, lines = found(tmp_path)
    assert names == ["image_0001", "photo.jpg?size=large", "photo.txt"] and not lines


def test_each_file_left_out_is_named(tmp_path):
    save(tmp_path / "a.png")
    for name in ("b.heic", "c.CR2", "d.svg", "e.mp4", "f.zip", "g.pdf"):
        (tmp_path / name).write_bytes(b"x")
    for number in range(7):
        (tmp_path / f"notes{number}.csv").touch()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "._a.png").touch()
    names, lines = found(tmp_path)
    assert names == ["a.png"] and len(lines) == 7
    for name, kind in (("b.heic", "HEIC"), ("c.CR2", "camera"), ("d.svg", "SVG"), ("e.mp4", "video"),
                       ("f.zip", "unpack"), ("g.pdf", "PDF")):
        assert [line for line in lines if line.startswith(f"skipped: {tmp_path / name}: this is ") and kind in line]
    assert lines[-1].endswith("without a picture: notes0.csv, notes1.csv, notes2.csv, notes3.csv, notes4.csv, …")
    assert "7 files in" in lines[-1]


def test_pipes_links_and_sockets_do_not_block(tmp_path):
    save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
    (tmp_path / "folder.png").mkdir()
    lines = []
    assert [photo.name for photo in read_photos(tmp_path, lines.append)] == ["a"]
    for name, word in (("pipe.png", "named pipe"), ("dangling.jpg", "gone.jpg, which does not exist"),
                       ("loop.png", "leads back to itself"), ("linked", "link to a folder"), ("s.png", "socket"),
                       ("zero.png", "device")):
        assert [line for line in lines if line.startswith(f"skipped: {tmp_path / name}: ") and word in line], name
    assert [line for line in lines if line.endswith("without a picture: pipe")]


def test_a_file_that_disappears_between_listing_and_reading(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    lines = []
    photos = read_photos(tmp_path, lines.append)
    assert next(photos).name == "a"
    (tmp_path / "b.png").unlink()
    assert list(photos) == [] and "b.png: no such file" in lines[0]


def test_odd_names_are_safe_everywhere(tmp_path):
    for number, name in enumerate((b"caf\xe9.png", "猫.png".encode(), b"a\nb\x1b[2J.png", b"$x$ <b>&.png", b"n" * 240)):
        folder = os.fsencode(tmp_path) + b"/" + (b"kind\xe9" if number % 2 else b"k\x1bind")
        os.makedirs(folder, exist_ok=True)
        with open(folder + b"/" + name, "wb") as file:
            Image.fromarray(PIXELS).save(file, format="PNG")
    photos = list(read_photos(tmp_path))
    assert len(photos) == 5
    for photo in photos:
        assert photo.name.isprintable() and photo.name.encode() and len(photo.name) <= 120
        assert photo.label in ("kind\\xe9", "k\\x1bind")


@pytest.mark.parametrize(("folder", "word"), [
    ("https://example.org/photos", "download the photos first"), ("photos.zip", "unpack it first"),
    ("nowhere", "there is no such folder"), ("*.d", "no file matches this pattern"), ("pipe", "named pipe"),
    ("dangling", "which does not exist"), ("loop", "leads back to itself"), ("photo.png", "this is a file"),
    ("a\0b", "cannot be the name of a folder"), ("n" * 300, "too long"), ("fotos", "did you mean photos"),
    ("cat\x1b[2J\n", "there is no such folder")])
def test_what_is_no_folder(tmp_path, monkeypatch, capsys, folder, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos.zip").write_bytes(b"PK\x03\x04")
    save(tmp_path / "photo.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=word) as refused:
        find_photos(folder)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 700


def test_the_demos_show_odd_names(tmp_path, capsys):
    """A file name of mathtext, control characters and bytes that are not UTF-8 goes through a whole demo."""
    path = os.fsencode(tmp_path) + b"/$a\xe9_{\x1b[2J $ \\frac \xe7\x8c\xab.png"
    with open(path, "wb") as file:
        Image.fromarray(PIXELS).save(file, format="PNG")
    photo = load_photos(load_model("shapes", "cpu"), [os.fsdecode(path)])[0]
    assert photo.name == "$a\\xe9_{\\x1b[2J $ \\frac 猫"
    out = tmp_path / "out"
    assert exit_code(saliency, os.fsdecode(path), "--model", "shapes", "--device", "cpu", "--out", out) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err and sorted(os.listdir(out)) == ["saliency.json", "saliency.npy",
                                                                                 "saliency.png"]


def test_labels_from_a_file_are_safe():
    model = load_model("shapes", "cpu")
    model = model._replace(labels=["$x$", "a\x1b[2J\nb", "n" * 20_000, "", *model.labels[4:]])
    assert short_label(model, 1) == "a\\x1b[2J\\nb" and len(short_label(model, 2)) == 60
    assert short_label(model, 3) == "class 3" and short_label(model, 99) == "class 99"


def test_a_folder_of_other_files_is_one_line(tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    assert exit_code(neighbours, tmp_path, "--model", "shapes", "--device", "cpu", "--out", tmp_path / "o") == 2
    error = capsys.readouterr().err
    assert "holds no pictures" in error and "without a picture: notes.txt" in error and error.count("\n") == 2
