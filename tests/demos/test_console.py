"""The command minicnn: each technique, tool and answer by one name, and one line for everything else."""

import importlib.util
import subprocess
import sys

import pytest

import minicnn
from demos import console
from demos.techniques import TECHNIQUES, demo_names, list_of_demos


def run(*words):
    """The exit code, the output and the error stream of a process."""
    code = "import sys; from demos.console import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def answer(capsys, *words):
    """The exit code and the output in this process; the error stream must be empty."""
    code = console.main(words)
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


def refusal(capsys, *words):
    """The one line of a refused command, whose exit code is 2."""
    assert console.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err[:-1].isprintable()
    return err.rstrip("\n")


def test_version(capsys):
    assert answer(capsys, "--version") == (0, f"minicnn {minicnn.__version__}\n")


def test_the_list_has_every_technique(capsys):
    code, out = answer(capsys, "list")
    assert (code, out.rstrip("\n")) == (0, list_of_demos())
    for technique in TECHNIQUES:
        assert f"  minicnn {technique.command}\n" in out


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_names_every_command(words, capsys):
    code, out = answer(capsys, *words)
    assert code == 0
    assert set(out.split()) >= {*console.PURPOSES, *demo_names()}


@pytest.mark.parametrize("name", ["gallery", *demo_names()])
def test_each_command_has_help_in_its_own_name(name, capsys):
    assert console.main([name.replace("_", "-"), "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: minicnn {name} ") and err == ""


@pytest.mark.parametrize("name", console.CONVERTER)
def test_commands_of_the_converter(name, capsys):
    with pytest.raises(SystemExit) as end:
        console.main([name, "--help"])
    assert end.value.code == 0 and capsys.readouterr().out.startswith(f"usage: minicnn {name} ")


def test_a_technique_runs(tmp_path, capsys):
    assert console.main(["filters", "shapes", "--out", str(tmp_path / "made")]) == 0
    assert (tmp_path / "made" / "filters.png").is_file() and capsys.readouterr().err == ""


def test_unknown_commands(capsys):
    assert refusal(capsys, "salency") == "minicnn: no command 'salency'; did you mean saliency?"
    assert "no command '\\x1b[2J'" in refusal(capsys, "\x1b[2J")
    assert refusal(capsys, "list", "more") == "minicnn: minicnn list takes nothing more, not more"


def test_completion(capsys):
    pytest.importorskip("shtab", reason="the completion needs shtab: pip install shtab")
    code, out = answer(capsys, "completion", "bash")
    assert code == 0 and all(name in out for name in ("guided_backprop", "fetch", "--preset", "--overwrite"))
    assert subprocess.run(["bash", "-n"], input=out, text=True).returncode == 0
    assert "not fish" in refusal(capsys, "completion", "fish") and "not nothing" in refusal(capsys, "completion")


def test_completion_without_shtab(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert refusal(capsys, "completion", "zsh").endswith("install it with: pip install shtab")


def test_another_process_ends_in_one_line():
    assert run("fetch", "nothing")[0] == 2
    code, _, err = run("saliency", "missing.jpg", "--model", "shapes")
    assert (code, err.count("\n")) == (2, 1) and err.startswith("minicnn saliency: missing.jpg")


def test_python_m_minicnn_needs_the_installed_package():
    if importlib.util.find_spec("minicnn.demos") is None:
        pytest.skip("the package is not installed")
    done = subprocess.run([sys.executable, "-m", "minicnn", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"minicnn {minicnn.__version__}\n")
