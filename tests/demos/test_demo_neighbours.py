"""The demo of nearest neighbours on its command line."""

import json

import numpy as np
import pytest
from demo_runs import exit_code
from PIL import Image
from shape_folders import write_shapes

from demos import neighbours as demo


def run(*arguments):
    """Run the demo in this process; returns its exit code."""
    return exit_code(demo, "--model", "shapes", "--device", "cpu", *arguments)


def test_the_demo_with_two_workers_that_goes_on_from_its_folder(tmp_path, capsys):
    write_shapes(tmp_path / "photos", 20)
    options = [tmp_path / "photos", "-k", 2]
    assert run(*options, "--out", tmp_path / "one") == 0
    for out, workers in (("two", 2), ("again", 1)):
        assert run(*options, "--workers", workers, "--resume", tmp_path / "kept", "--out", tmp_path / out) == 0
        assert (np.load(tmp_path / out / "neighbours.npy") == np.load(tmp_path / "one" / "neighbours.npy")).all()
    assert list((tmp_path / "kept").glob("*.npz"))
    assert run(*options, "--resume", tmp_path / "kept", "--out", tmp_path / "again") == 2  # it would be overwritten
    capsys.readouterr()
    assert run(*options, "--layer", "relu3", "--resume", tmp_path / "kept", "--out", tmp_path / "three") == 2
    error = capsys.readouterr().err
    assert "kept holds the results of another sweep (layer differ)" in error and error.count("\n") == 1


def test_the_demo_without_a_folder_compares_drawn_shapes(tmp_path, capsys, empty_cache, monkeypatch):
    monkeypatch.setattr(demo, "DRAWN", 96)
    assert run("--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "no folder given: 96 drawn shapes are compared" in said and "precision@5 in features" in said
    card = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert all(check["passed"] for check in card["checks"]) and len(card["checks"]) == 9
    array = np.load(tmp_path / "out" / "neighbours.npy")
    assert array.shape == (2, 6, 5)
    assert Image.open(tmp_path / "out" / "neighbours.png").size[0] > 500
    labels = [name.rsplit(" ", 1)[0] for name in card["parameters"]["queries"]]
    assert len(set(labels)) == 6
    assert all(name not in row for name, row in zip(card["parameters"]["queries"],
                                                    card["parameters"]["neighbours"]["features"], strict=True))


def test_the_demo_finds_a_query_in_a_folder(tmp_path, capsys):
    write_shapes(tmp_path / "photos", 24, by_class=False)
    (tmp_path / "photos" / "broken.png").write_bytes(b"")
    assert run(tmp_path / "photos", "--query", tmp_path / "photos" / "007.png", "-k", 3, "--layer", "relu4",
               "--out", tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "skipped: " in captured.err and "broken.png" in captured.err
    card = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert card["parameters"]["layer"] == "relu4" and card["parameters"]["queries"] == ["007"]
    assert card["parameters"]["neighbours"]["features"][0][0] == "007"
    assert card["parameters"]["neighbours"]["pixels"][0][0] == "007"
    assert not any("precision" in check["what"] for check in card["checks"])


@pytest.mark.parametrize(("arguments", "message"), [
    (["no_such_folder"], "no_such_folder: there is no such folder"), (["."], "holds no pictures"),
    (["--query", "no_such.png"], "no_such.png"), (["-k", "0"], "expected a whole number from 1 on"),
    (["--layer", "relu9"], "no layer 'relu9'"), (["--mnist", "."], "no t10k-images-idx3-ubyte"),
    (["photos", "--mnist", "."], "not both")])
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys, monkeypatch, empty_cache):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_demo_compares_digits_and_asks_for_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t10k.npz", x=rng.integers(0, 256, (30, 28, 28), dtype=np.uint8), y=np.arange(30) % 10)
    assert run("--mnist", tmp_path, "--model", "digits", "--out", tmp_path / "out") == 0
    card = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert card["parameters"]["gallery"] == 30 and card["parameters"]["layer"] == "relu4"
    assert not any("mirrored" in check["what"] for check in card["checks"])
    assert all(check["passed"] for check in card["checks"])  # in noise no class is near itself, which is reported
    capsys.readouterr()
    assert run("--model", "digits", "--out", tmp_path / "other") == 2
    assert "digits takes grey images only; give --mnist FOLDER" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_too_few_pictures_are_one_line(tmp_path, capsys):
    write_shapes(tmp_path / "photos", 4, by_class=False)
    assert run(tmp_path / "photos", "--out", tmp_path / "out") == 2
    assert "4 photos are too few to show 5 neighbours of one" in capsys.readouterr().err
    assert run(tmp_path / "photos", "-k", 1, "--query", tmp_path / "no.png", "--out", tmp_path / "out") == 2
    assert "no.png" in capsys.readouterr().err
    write_shapes(tmp_path / "single", 1, by_class=False)
    assert run(tmp_path / "single", "-k", 1, "--out", tmp_path / "out") == 2
    assert "1 photo is too few to show 1 neighbours of one" in capsys.readouterr().err
