"""Odd paths and files of other kinds are one line each, at once, and nothing else is written to the terminal."""

import io
import os
import socket
import stat
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image
from tiff_files import write_tiff

from minicnn import images
from minicnn.errors import InputError
from minicnn.images import load_image
from minicnn.images.kinds import OTHER_SUFFIXES, RAW, looks_like_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def refusal(path):
    with pytest.raises(InputError) as refused:
        load_image(path)
    line = str(refused.value)
    assert line.isprintable() and len(line) < 1000
    return line


# ---- paths


def test_a_link_to_a_missing_file(tmp_path):
    (tmp_path / "cat.png").symlink_to(tmp_path / "gone.png")
    line = refusal(tmp_path / "cat.png")
    assert line.endswith(f": this is a link to {tmp_path / 'gone.png'}, which does not exist; name the file itself")


def test_a_file_in_a_linked_folder_that_is_missing(tmp_path):
    (tmp_path / "photos").symlink_to(tmp_path / "disk")
    assert f"{tmp_path / 'photos'} is a link to {tmp_path / 'disk'}" in refusal(tmp_path / "photos" / "cat.png")


def test_a_link_to_itself(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert "this link leads back to itself" in refusal(tmp_path / "a.png")


def test_a_link_to_a_photo_is_read(photo):
    (photo.parent / "link.png").symlink_to(photo)
    np.testing.assert_array_equal(load_image(photo.parent / "link.png"), PIXELS)


def test_a_named_pipe_and_a_socket_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "this is a named pipe, not an image file" in refusal(tmp_path / "pipe.png")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s.png"))
    server.close()
    assert stat.S_ISSOCK((tmp_path / "s.png").stat().st_mode)
    assert "this is a socket" in refusal(tmp_path / "s.png")
    assert "this is a device" in refusal("/dev/null")
    assert "this is a device" in refusal("/dev/zero")


@pytest.mark.parametrize("address", ["https://example.org/cat.jpg", "http://x/y.png?a=1", "FTP://host/cat.png",
                                     "s3://bucket/cat.png", "file:///home/cat.png", "data:image/png;base64,AAAA"])
def test_an_address_must_be_downloaded(address):
    assert "this is an address on the web; download it first" in refusal(address)


def test_a_tilde_that_the_shell_did_not_replace(photo, monkeypatch):
    monkeypatch.setenv("HOME", str(photo.parent))
    assert refusal("~/cat.png").endswith(f"the shell did not replace the ~; write {photo}")


def test_a_pattern_that_the_shell_did_not_replace(photo):
    assert f"it matches 1, such as {photo}" in refusal(photo.parent / "*.png")
    assert "no file matches this pattern" in refusal(photo.parent / "*.jpg")
    (photo.parent / "[cat].png").write_bytes(photo.read_bytes())
    assert load_image(photo.parent / "[cat].png").shape == (24, 20, 3)


@pytest.mark.parametrize("name", ["cat.png ", " cat.png", "cat.PNG", "'cat.png'", "Cat.png", "cat.jpg"])
def test_near_names(photo, name):
    assert "did you mean cat.png?" in refusal(photo.parent / name)


def test_a_folder_on_the_way(photo):
    assert f"{photo} is a file, not a folder" in refusal(photo / "cat.png")
    (photo.parent / "photos").mkdir()
    assert "did you mean photos?" in refusal(photo.parent / "photo" / "cat.png")


@pytest.mark.parametrize("path", ["", "  ", b"", None, 3, 2.5, ["cat.png"], PIXELS, io.BytesIO()])
def test_what_is_no_path(path):
    assert "path" in refusal(path)


@pytest.mark.parametrize("path", ["a\0b.png", "a" * 300 + ".png", "/".join("a" * 100 for _ in range(60)),
                                  "cat\x1b[2J\n.png", b"caf\xe9.png", "\udcff\u202e.png", "katze\t\r.png"])
def test_odd_names_are_shown_as_one_line(path):
    refusal(path)


@pytest.mark.parametrize("name", [b"caf\xe9.png", "猫.png".encode(), b"a\nb\x1b[1m.png", b" $x$ .png", b"-x.png"])
def test_photos_with_odd_names_are_read(photo, name):
    path = os.path.join(os.fsencode(photo.parent), name)
    with open(path, "wb") as file:
        file.write(photo.read_bytes())
    np.testing.assert_array_equal(load_image(os.fsdecode(path)), PIXELS)
    np.testing.assert_array_equal(load_image(path), PIXELS)


def test_a_file_that_disappears(photo, monkeypatch):
    monkeypatch.setattr("minicnn.images.reading.require_regular_file", lambda path: os.remove(path))
    assert "has disappeared" in refusal(photo)


# ---- other kinds of files


@pytest.mark.parametrize(("name", "head", "kind"), [
    ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"), ("photo.jpg", b"\0\0\0\x18ftypmif1" + bytes(20), "HEIC"),
    ("photo.heif", b"", "empty"), ("photo.jxl", b"\xff\x0a" + bytes(20), "JPEG XL"),
    ("photo.png", b"<svg xmlns='x'></svg>", "SVG"), ("photo.svg", b"<?xml version='1.0'?>\n<svg/>", "SVG"),
    ("photo.jpg", b"%PDF-1.4", "PDF"), ("clip.mp4", b"\0\0\0\x18ftypisom" + bytes(20), "video"),
    ("clip.mkv", b"\x1aE\xdf\xa3" + bytes(20), "video"), ("photos.zip", b"PK\x03\x04" + bytes(20), "unpack it"),
    ("photo.jpg", b"<!DOCTYPE html><html>", "web page"), ("photo.png", b"\x93NUMPY\x01\0", "NumPy"),
    ("photo.jpg", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ("net.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"), ("._photo.jpg", b"\0\x05\x16\x07\0\2", "AppleDouble"),
    ("photo.cr3", b"\0\0\0\x18ftypcrx " + bytes(20), "camera"), ("photo.exr", b"v/1\x01" + bytes(20), "brightness"),
    ("photo.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    ("photo.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    ("scan.dcm", bytes(128) + b"DICM" + bytes(20), "medical"), ("photo.xcf", b"gimp xcf v011", "paint"),
])
def test_files_of_other_kinds_are_named_with_the_way_out(tmp_path, name, head, kind):
    (tmp_path / name).write_bytes(head)
    line = refusal(tmp_path / name)
    assert kind in line and ";" in line


def test_raw_data_of_a_camera_is_not_read_as_its_preview(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "preview.tif")
    (tmp_path / "preview.tif").rename(tmp_path / "photo.NEF")
    assert RAW in refusal(tmp_path / "photo.NEF")


def test_a_damaged_file_is_not_taken_for_another_kind(photo):
    photo.write_bytes(photo.read_bytes()[:60])
    assert "get the file again" in refusal(photo)


def test_suffixes_that_can_be_read():
    suffixes = images.readable_suffixes()
    assert {".png", ".jpg", ".jpeg", ".jfif", ".gif", ".webp", ".bmp", ".tif", ".ppm", ".tga", ".jp2", ".ico", ".mpo",
            ".psd", ".qoi"} <= set(suffixes)
    assert not {".h5", ".eps", ".pdf", ".mpg", ".wmf", ".grib"} & set(suffixes)
    assert not {suffix for suffix in OTHER_SUFFIXES if suffix in suffixes} - {".avif", ".avifs"}


def test_pictures_are_known_by_their_first_bytes(tmp_path):
    formats = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]
    for name in formats:
        Image.fromarray(PIXELS).save(tmp_path / name, format=name)
        assert looks_like_picture(tmp_path / name), name
    (tmp_path / "notes").write_text("BMW and GIFs are words")
    assert not looks_like_picture(tmp_path / "notes") and not looks_like_picture(tmp_path / "missing")


# ---- the terminal


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "tiff_adobe_deflate", "group4"])
def test_a_damaged_tiff_writes_nothing_to_the_terminal(tmp_path, capfd, compression):
    image = Image.fromarray(PIXELS).convert("1" if compression == "group4" else "RGB")
    image.save(tmp_path / "photo.tif", compression=compression)
    data, rng, refused = (tmp_path / "photo.tif").read_bytes(), np.random.default_rng(0), 0
    for _ in range(60):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[rng.integers(8, len(data), 4)] = rng.integers(0, 256, 4)
        (tmp_path / "photo.tif").write_bytes(damaged.tobytes())
        try:
            load_image(tmp_path / "photo.tif")
        except InputError:
            refused += 1
    assert refused and capfd.readouterr() == ("", "")
    os.write(2, b"still open")
    assert capfd.readouterr().err == "still open"


def test_threads_and_a_fork_keep_the_error_stream(tmp_path, capfd):
    Image.fromarray(PIXELS).save(tmp_path / "photo.tif", compression="tiff_lzw")
    threads = [threading.Thread(target=lambda: [load_image(tmp_path / "photo.tif") for _ in range(50)])
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        child = os.fork()
        if child == 0:
            load_image(tmp_path / "photo.tif")  # hangs if the lock was copied locked
            os.write(2, b"child ")              # is lost if the stream was copied silent
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    for thread in threads:
        thread.join()
    assert capfd.readouterr().err == "child " * 10


def test_threads_leave_the_filters_of_warnings_as_they_were(photo):
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [load_image(photo) for _ in range(100)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_without_an_error_stream(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "photo.tif", compression="tiff_lzw")
    kept = os.dup(2)
    os.close(2)
    try:
        shape = load_image(tmp_path / "photo.tif").shape
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert shape == (24, 20, 3)


def test_a_log_of_pillow_is_not_printed(tmp_path):
    write_tiff(tmp_path / "photo.tif", np.zeros((2, 2, 12), np.uint8), photometric=2)  # Pillow logs an error
    program = ("import sys; from minicnn import images\n"
               "try: images.load_image(sys.argv[1])\nexcept ValueError as problem: print(problem)")
    result = subprocess.run([sys.executable, "-c", program, tmp_path / "photo.tif"], capture_output=True, text=True,
                            check=True)
    assert "12 channels of 8-bit integers" in result.stdout and result.stderr == ""
