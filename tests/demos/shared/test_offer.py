"""The gallery's offer to fetch pretrained weights: asked at a terminal only, and never in the way."""

import sys

import pytest

from demos import __main__ as gallery
from demos.shared import offer
from demos.shared.command import main
from demos.shared.default_network import PRETRAINED, pretrained
from demos.shared.inputs import choose_model
from minicnn.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "minicnn"


@pytest.fixture(autouse=True)
def fetched(monkeypatch):
    """The names that were fetched; the real fetch never is called."""
    names = []
    monkeypatch.setattr(offer, "fetch", names.append)
    return names


@pytest.fixture
def terminal(monkeypatch, capsys):
    """terminal(answer): make the three streams terminals, and somebody answer so."""

    def answer_with(answer):
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)

        def answer_question(question):
            print(question, end="")
            if isinstance(answer, type):
                raise answer
            print()
            return answer
        monkeypatch.setattr("builtins.input", answer_question)
    return answer_with


QUESTION = "No SqueezeNet weights yet. Fetch SqueezeNet 1.1 (5 MB) from download.pytorch.org? [y/N] \n"


@pytest.mark.parametrize("answer", ["y", "Y", "yes", " Yes "])
def test_yes_fetches(terminal, fetched, capsys, answer):
    terminal(answer)
    offer.offer_weights()
    assert fetched == ["squeezenet1_1"] and capsys.readouterr().out == QUESTION


@pytest.mark.parametrize("answer", ["", "n", "no", "yellow", "ja", EOFError])
def test_all_else_is_no(terminal, fetched, capsys, answer):
    terminal(answer)
    offer.offer_weights()
    assert fetched == [] and capsys.readouterr().out == QUESTION  # and the cursor is at the beginning of a line


def test_ctrl_c_ends(terminal, fetched):
    terminal(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        offer.offer_weights()
    assert fetched == []


def test_a_fetch_that_fails_is_one_line(terminal, monkeypatch, capsys):
    def fail(name):
        raise InputError("no connection to download.pytorch.org (…)")
    monkeypatch.setattr(offer, "fetch", fail)
    terminal("y")
    offer.offer_weights()
    assert capsys.readouterr().err == "no connection to download.pytorch.org (…)\n"


@pytest.mark.parametrize("not_one", ["stdin", "stdout", "stderr"])
def test_nobody_is_asked_without_a_terminal(terminal, fetched, monkeypatch, capsys, not_one):
    terminal("y")
    monkeypatch.setattr(getattr(sys, not_one), "isatty", lambda: False)
    offer.offer_weights()
    assert fetched == [] and capsys.readouterr().out == ""


def test_without_any_stdin(fetched, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    offer.offer_weights()
    assert fetched == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize("name", PRETRAINED)
def test_nothing_is_said_where_there_are_weights(terminal, fetched, cache, capsys, name):
    terminal("y")
    cache.mkdir(parents=True)
    (cache / f"{name}.h5").touch()
    offer.offer_weights()
    assert fetched == [] and capsys.readouterr().out == ""


def test_weights_of_every_kind_are_found_the_best_first(cache):
    cache.mkdir(parents=True)
    for name in ("squeezenet1_1_keras", "squeezenet1_1_onnx", "squeezenet1_0", "vgg16"):
        (cache / f"{name}.h5").touch()
    assert pretrained() == ["squeezenet1_0", "squeezenet1_1_onnx", "squeezenet1_1_keras"]


def test_without_a_home_folder_the_shipped_network_is_used(fetched, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    offer.offer_weights()
    model, said = choose_model(None, "cpu")
    assert model.name == "photos" and "no pretrained SqueezeNet weights in the cache folder" in said


def run_gallery(monkeypatch, *arguments):
    """The gallery's command line, up to the choice of the network."""

    def stop(name, device):
        raise InputError(f"model {name}")
    monkeypatch.setattr(gallery, "choose_model", stop)
    monkeypatch.setattr(sys, "argv", ["demos", *arguments])
    with pytest.raises(SystemExit) as end:
        main(gallery.run, gallery.parser())
    return end.value.code


def test_the_gallery_asks_before_it_chooses(terminal, fetched, monkeypatch, capsys):
    terminal("y")
    assert run_gallery(monkeypatch) == 2 and fetched == ["squeezenet1_1"]
    assert capsys.readouterr() == (QUESTION, "minicnn gallery: model None\n")


def test_the_gallery_with_a_model_asks_nothing(terminal, fetched, monkeypatch, capsys):
    terminal("y")
    assert run_gallery(monkeypatch, "--model", "shapes") == 2
    assert fetched == [] and capsys.readouterr() == ("", "minicnn gallery: model shapes\n")


def test_ctrl_c_at_the_question_ends_as_usual(terminal, monkeypatch, capsys):
    terminal(KeyboardInterrupt)
    assert run_gallery(monkeypatch) == 130
    assert "interrupted" in capsys.readouterr().err
