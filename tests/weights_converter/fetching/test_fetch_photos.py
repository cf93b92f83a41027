"""A published set of photos is downloaded, verified and unpacked into the cache: the whole set, or nothing."""

import gzip
import io
import os
import tarfile

import pytest
from download_server import files, half, status, with_range
from photo_archives import (
    CALTECH,
    CALTECH_FILES,
    CONTENTS,
    IMAGENETTE,
    IMAGENETTE_FILES,
    file,
    in_zip,
    jpeg,
    publish_photos,
    tar_gz,
)

from demos.shared.photo_folder import read_photos
from minicnn.errors import InputError
from weights_converter.__main__ import main as command_line
from weights_converter.fetching import unpack
from weights_converter.fetching.fetch import fetch
from weights_converter.sources.photo_sets import PHOTO_SETS

SETS = {"caltech101": CALTECH_FILES, "imagenette": IMAGENETTE_FILES}


def refused(name="caltech101", **settings):
    """Return the line with which a fetch of the set fails."""
    with pytest.raises(InputError) as problem:
        fetch(name, say=lambda line: None, **settings)
    line = str(problem.value)
    assert "\n" not in line and line.isprintable()
    return line


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_fetched_and_read_by_class(name, server, cache, monkeypatch, capsys):
    publish_photos(monkeypatch, name, server, CONTENTS[name])
    assert command_line(["fetch", name]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"downloading {server.host}/files/") and "3 photos in 2 classes" in said[1]
    assert PHOTO_SETS[name].licence in said[1]
    assert files(cache) == sorted(f"photos/{name}/{one}" for one in [".about.txt", *SETS[name]])
    photos = list(read_photos(cache / "photos" / name, pytest.fail))
    assert {photo.label for photo in photos} == {one.split("/")[0] for one in SETS[name]}
    about = (cache / "photos" / name / ".about.txt").read_text()
    assert PHOTO_SETS[name].digest in about and PHOTO_SETS[name].citation in about
    server.asked.clear()
    assert command_line(["fetch", name]) == 0 and "already exists" in capsys.readouterr().out and server.asked == []
    kept = cache / "photos" / name / SETS[name][0]
    kept.unlink()
    assert command_line(["fetch", name, "--overwrite"]) == 0 and kept.exists() and len(server.asked) == 1


def test_the_published_facts():
    caltech101, imagenette = PHOTO_SETS["caltech101"], PHOTO_SETS["imagenette"]
    assert caltech101.file_name == "caltech-101.zip" and caltech101.size == 137_414_764
    assert imagenette.file_name == "imagenette2-160.tgz" and len(imagenette.classes) == 10
    assert len(caltech101.digest) == 64 and len(imagenette.digest) == len("md5:") + 32
    assert all(one.url.startswith("https://") for one in PHOTO_SETS.values())


@pytest.mark.parametrize("name", SETS)
def test_a_wrong_digest_is_told_and_nothing_is_kept(name, server, cache, monkeypatch):
    publish_photos(monkeypatch, name, server, CONTENTS[name])
    expected, server.content = PHOTO_SETS[name].digest.removeprefix("md5:"), CONTENTS[name][:-1] + b"x"
    line = refused(name)
    assert expected in line and ("md5" if name == "imagenette" else "sha256") in line
    assert "--photos" in line and files(cache) == []
    (cache.parent / "archive").write_bytes(server.content)
    assert expected in refused(name, source=cache.parent / "archive") and files(cache) == []


def test_a_wrong_size_is_told_before_the_download(server, cache, monkeypatch):
    publish_photos(monkeypatch, "caltech101", server, CONTENTS["caltech101"])
    server.content += b"more"
    assert f"{len(server.content):,} bytes, not {len(server.content) - 4:,}" in refused() and files(cache) == []


def test_a_broken_download_is_resumed(server, cache, monkeypatch):
    publish_photos(monkeypatch, "imagenette", server, CONTENTS["imagenette"])
    server.answers = [half, status(503)]
    assert "answered 503" in refused("imagenette")
    assert files(cache) == ["downloads/imagenette2-160.tgz.part"]
    server.answers = [with_range]
    fetch("imagenette", say=lambda line: None)
    assert server.asked[-1][1].startswith("bytes=") and len(files(cache)) == 4


def test_from_a_local_file_which_stays(server, cache, tmp_path, monkeypatch):
    publish_photos(monkeypatch, "caltech101", server, CONTENTS["caltech101"])
    (tmp_path / "mine.zip").write_bytes(CONTENTS["caltech101"])
    assert fetch("caltech101", tmp_path / "mine.zip") == cache / "photos" / "caltech101"
    assert len(files(cache)) == 4 and (tmp_path / "mine.zip").exists() and server.asked == []


def test_an_interrupted_unpacking_leaves_nothing_and_a_killed_one_is_cleaned_up(server, cache, monkeypatch):
    publish_photos(monkeypatch, "caltech101", server, CONTENTS["caltech101"])
    write = unpack._write

    def interrupted(content, size, path):
        if path.name == "image_0002.jpg":
            raise KeyboardInterrupt
        write(content, size, path)
    monkeypatch.setattr(unpack, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("caltech101", say=lambda line: None)
    assert files(cache) == ["downloads/caltech-101.zip"] and os.listdir(cache / "photos") == []
    monkeypatch.setattr(unpack, "_write", write)
    (cache / "photos" / ".minicnn-new-caltech101" / "Faces").mkdir(parents=True)
    (cache / "photos" / ".minicnn-new-caltech101" / "Faces" / "half.jpg").write_bytes(b"half")
    server.asked.clear()
    fetch("caltech101", say=lambda line: None)
    assert server.asked == []  # the archive was complete
    assert len(files(cache)) == 4 and os.listdir(cache / "photos") == ["caltech101"]


def pax_bomb():
    member = tarfile.TarInfo("101_ObjectCategories/Faces/a.jpg")
    member.pax_headers = {"comment": "x" * (unpack.LARGEST_HEADER + 1)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO())
    return gzip.compress(buffer.getvalue())


PHOTO = "101_ObjectCategories/Faces/image_0009.jpg"
HOSTILE = {
    "upwards": ([file("101_ObjectCategories/../../../escaped.jpg")], "leads out of the folder"),
    "hidden-upwards": ([file("101_ObjectCategories/.Faces/../../escaped.jpg")], "leads out of the folder"),
    "absolute": ([file("/tmp/escaped.jpg")], "leads out of the folder"),
    "dots": ([file("101_ObjectCategories/.../image.jpg")], "is odd"),
    "drive": ([file("101_ObjectCategories/C:/image.jpg")], "is odd"),
    "backslash": ([file("101_ObjectCategories/Faces/..\\..\\a.jpg")], "is odd"),
    "control": ([file("101_ObjectCategories/Faces/\x1b[2J\n.jpg")], "is odd"),
    "long": ([file(f"101_ObjectCategories/Faces/{'a' * 200}.jpg")], "is odd"),
    "symlink": ([file(PHOTO, b"", kind=tarfile.SYMTYPE, link="/etc/passwd")], "is a link, a device"),
    "hard-link": ([file(PHOTO, b"", kind=tarfile.LNKTYPE, link="/etc/passwd")], "is a link, a device"),
    "device": ([file(PHOTO, b"", kind=tarfile.CHRTYPE)], "is a link, a device"),
    "pipe": ([file(PHOTO, b"", kind=tarfile.FIFOTYPE)], "is a link, a device"),
    "twice": ([file(PHOTO), file(PHOTO)], "holds 'image_0009.jpg' twice"),
    "large": ([file(PHOTO, bytes(2**24 + 1))], "in it has 16,777,217 bytes"),
    "no-photos": ([file("101_ObjectCategories/BACKGROUND_Google/image_0001.jpg")], "holds no photos"),
    "elsewhere": ([file("101_ObjectCategories/image_0001.jpg"), file("other/Faces/a.jpg")], "holds no photos"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused_whole(kind, server, cache, monkeypatch):
    members, reason = HOSTILE[kind]
    publish_photos(monkeypatch, "caltech101", server, in_zip(tar_gz([*CALTECH[:3] * (reason[:8] != "holds no"),
                                                                     *members])))
    assert reason in refused()
    assert files(cache) == ["downloads/caltech-101.zip"] and os.listdir(cache / "photos") == []
    assert not list(cache.parent.parent.rglob("escaped*"))


@pytest.mark.parametrize(("content", "reason"), [
    (in_zip(tar_gz(CALTECH)[:-200]), "is damaged"), (in_zip(b"no gzip"), "is damaged"),
    (in_zip(gzip.compress(b"no tar" * 200)), "is damaged"), (tar_gz(CALTECH), "is damaged"),
    (in_zip(tar_gz(CALTECH), "other.tar.gz"), "does not hold caltech-101/101_ObjectCategories.tar.gz"),
    (in_zip(pax_bomb()), "a record of"), (b"PK\x03\x04 no zip", "is damaged"), (b"", "is damaged"),
    (in_zip(tar_gz(CALTECH)[:20] + b"\xff" * 300), "is damaged")],
    ids=["cut", "no-gzip", "no-tar", "no-zip", "other", "pax-bomb", "only-a-start", "empty", "bad-deflate"])
def test_damaged_archives_are_refused_in_one_line(content, reason, server, cache, tmp_path, monkeypatch):
    publish_photos(monkeypatch, "caltech101", server, content)
    (tmp_path / "archive.zip").write_bytes(content)
    assert reason in refused(source=tmp_path / "archive.zip") and files(cache) == []


def test_bombs_are_refused_by_their_unpacked_size(server, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "LARGEST_TOTAL", 2**22)
    content = in_zip(tar_gz([file("101_ObjectCategories/BACKGROUND_Google/zeros", bytes(2**23))]))
    assert len(content) < 100_000
    publish_photos(monkeypatch, "caltech101", server, content)
    (tmp_path / "bomb.zip").write_bytes(content)
    assert "more than 4,194,304 bytes" in refused(source=tmp_path / "bomb.zip") and files(cache) == []
    monkeypatch.setattr(unpack, "MOST_FILES", 2)
    publish_photos(monkeypatch, "imagenette", server, tar_gz(IMAGENETTE))
    assert "more than 2 files" in refused("imagenette")


def test_an_announced_size_that_the_archive_does_not_have(server, cache, tmp_path, monkeypatch):
    buffer = io.BytesIO()
    member, _ = file(PHOTO, size=100_000)
    buffer.write(member.tobuf() + jpeg())
    content = in_zip(gzip.compress(buffer.getvalue()))
    publish_photos(monkeypatch, "caltech101", server, content)
    (tmp_path / "archive.zip").write_bytes(content)
    assert "is damaged" in refused(source=tmp_path / "archive.zip") and files(cache) == []


def test_an_unknown_name_suggests_a_set():
    with pytest.raises(InputError, match="did you mean caltech101"):
        fetch("caltech-101")
