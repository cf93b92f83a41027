"""The output is validated before the source is read, and an old file is never lost."""

import os
from pathlib import Path

import numpy as np
import pytest
from weight_cases import TRUNK

from minicnn.models import load_model
from minicnn.models.weights import read_header
from weights_converter.__main__ import main


@pytest.mark.parametrize("options", [TRUNK, ["--first-layer"]])
@pytest.mark.parametrize("output, words", [
    ("here.h5", "already exists; give another name or allow it to be replaced (--overwrite"),
    ("no/a.h5", "there is no folder"), (".", "this is a folder"), ("a.npz", "this is the source itself"),
    ("a" * 300, "cannot be written (File name too long)")])
def test_the_output_is_validated_before_the_source_is_read(two_layers, tmp_path, monkeypatch, capsys, options, output,
                                                           words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("weights_converter.convert.files_sha256", None)  # a call raises TypeError
    np.savez("a.npz", **two_layers)
    Path("here.h5").touch()
    assert main(["a.npz", *options, "-o", output]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"minicnn convert: error: {output}: {words}") and line.count("\n") == 1


def test_a_missing_home_folder_is_noticed_before_the_source_is_read(two_layers, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("weights_converter.convert.files_sha256", None)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    np.savez(tmp_path / "a.npz", **two_layers)
    for options in ((), ("--first-layer",)):
        assert main([str(tmp_path / "a.npz"), *options]) == 2
        assert "there is no home folder to keep weights in: set XDG_CACHE_HOME" in capsys.readouterr().err


def test_existing_output_stays_unless_overwriting_is_allowed(squeezenet, tmp_path, cache, capsys):
    np.savez(tmp_path / "a.npz", **squeezenet)
    cache.mkdir(parents=True)
    (cache / "squeezenet1_1.h5").write_bytes(b"old")
    assert main([str(tmp_path / "a.npz")]) == 2
    line = capsys.readouterr().err
    assert "already exists" in line and "--overwrite" in line
    assert (cache / "squeezenet1_1.h5").read_bytes() == b"old"
    assert main([str(tmp_path / "a.npz"), "--overwrite"]) == 0
    assert load_model("squeezenet1_1", device="cpu").name == "squeezenet1_1"
    assert [path.name for path in cache.iterdir()] == ["squeezenet1_1.h5"]


def test_the_source_is_never_overwritten(two_layers, tmp_path, capsys):
    path = tmp_path / "a.npz"
    np.savez(path, **two_layers)
    before = path.read_bytes()
    assert main([str(path), "-o", str(path), "--overwrite", *TRUNK]) == 2
    assert "the source itself" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_output_in_a_missing_folder(two_layers, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", **two_layers)
    assert main([str(tmp_path / "a.npz"), "-o", str(tmp_path / "no" / "a.h5"), *TRUNK]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_cache_folder_that_cannot_be_made(squeezenet, tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "a.npz", **squeezenet)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a.npz"))
    assert main([str(tmp_path / "a.npz")]) == 2
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["weights_converter.convert.read_values",
                                   "minicnn.models.weights.write._write_blocks"])
@pytest.mark.parametrize("problem, code", [(KeyboardInterrupt, 130), (MemoryError, 2)])
def test_an_interruption_leaves_the_old_file(two_layers, tmp_path, monkeypatch, capsys, where, problem, code):
    np.savez(tmp_path / "a.npz", **two_layers)
    (tmp_path / "a.h5").write_bytes(b"old")

    def interrupt(*arguments):
        raise problem

    monkeypatch.setattr(where, interrupt)
    assert main([str(tmp_path / "a.npz"), "-o", str(tmp_path / "a.h5"), "--overwrite", *TRUNK]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "a.h5").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "a.npz"]


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege on Windows")
def test_a_link_as_output_is_followed(two_layers, tmp_path):
    np.savez(tmp_path / "a.npz", **two_layers)
    (tmp_path / "link.h5").symlink_to("file.h5")
    assert main([str(tmp_path / "a.npz"), "-o", str(tmp_path / "link.h5"), "--overwrite", *TRUNK]) == 0
    assert (tmp_path / "link.h5").is_symlink() and read_header(tmp_path / "file.h5").name == "vgg16_caffe-relu1_2"
