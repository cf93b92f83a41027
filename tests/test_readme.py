"""The pages are true: examples run, commands and options exist. tests/test_documentation.py follows the links."""

import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest

from demos import console
from demos.techniques import TECHNIQUES, demo_names, readme_table
from weights_converter import __main__ as converter

ROOT = Path(__file__).parent.parent
FILES = ("README.md", "demos/README.md", "demos/NUMBERS.md", "demos/OPTIONS.md", "weights_converter/README.md",
         "minicnn/fast/README.md", "minicnn/training/README.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}
TEXT = TEXTS["README.md"]
OF_DEMOS = "\n".join(TEXTS[name] for name in ("demos/README.md", "demos/OPTIONS.md", "minicnn/training/README.md"))


def commands(text):
    """The words behind `minicnn` of every command in a text: in backticks, or in an indented line."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = re.findall(r"^    ([^#\n]+)", text, re.MULTILINE)
    return [words.split() for code in spans + lines for words in re.split(r"(?:^|&& |\| )minicnn ", code)[1:]]


CONVERTER = {"convert": converter.convert_parser, "inspect": converter.inspect_parser, "fetch": converter.fetch_parser}
SHORT = {"list", "completion", "--help", "--version", "NAME"}  # without options


def options_of(name):
    """The options of a demo, or of a command of the weights converter."""
    parser = CONVERTER[name]() if name in CONVERTER else console.demo(name).parser()
    return {option for action in parser._actions for option in action.option_strings}


def test_the_ten_lines_run(test_data, tmp_path, monkeypatch, capsys):
    from weights_converter.__main__ import main as convert
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert convert([str(test_data / "weights" / "squeezenet1_1.npz")]) == 0
    shutil.copy(test_data / "photos" / "kitten.jpg", "photo.jpg")
    code, = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names = {}
    exec(code, names)
    assert names["saliency"].shape == (1, 224, 224) and names["patch"].shape == (1, 3, 224, 224)
    assert "cat" in names["model"].labels[names["label"]]
    assert "1,235,496" in capsys.readouterr().out


def test_the_readme_has_the_main_commands():
    assert {"gallery", "list", "saliency", "step_through", "fetch"} <= {command[0] for command in commands(TEXT)}
    assert "python -m pytest" in TEXT


@pytest.mark.parametrize("name", FILES)
def test_every_command_and_its_options_exist(name):
    for command, *words in commands(TEXTS[name]):
        assert command in {"gallery", *CONVERTER, *SHORT, *demo_names()}, command
        options = {option for word in words for option in re.findall(r"^\[?(--?[a-z][\w-]*)", word)}
        assert options <= (set() if command in SHORT else options_of(command)), command


@pytest.mark.parametrize("name", FILES)
def test_every_script_of_the_benchmarks_is_there_and_takes_the_options(name):
    for script, rest in re.findall(r"python (tests/benchmarks/\w+\.py)([^`\n]*)", TEXTS[name]):
        source = (ROOT / script).read_text(encoding="utf-8")
        assert all(option in source for option in shlex.split(rest) if option.startswith("--"))


@pytest.mark.parametrize("name", FILES)
def test_every_name_of_minicnn_exists(name):
    for module in re.findall(r"`(minicnn(?:\.\w+)+)(?:\(|`)", TEXTS[name]):
        parent, _, last = module.rpartition(".")
        assert hasattr(importlib.import_module(parent), last) or importlib.import_module(module), module


def test_the_table_is_the_list_of_techniques():
    rows = readme_table().splitlines()
    assert [line for line in TEXT.splitlines() if line.startswith("|")] == rows, "minicnn techniques prints it"
    assert len(rows) == len(TECHNIQUES) + 2


def test_the_pages_of_the_demos_have_every_option_and_no_other():
    described = set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", OF_DEMOS))
    options = set().union(*map(options_of, ["gallery", *demo_names()])) - {"-h", "--help"}
    others = {"-m", "-e", "-d", "-t"}  # of python, pip and pdoc
    missing, unknown = options - described, described - options - others - benchmark_options(OF_DEMOS)
    assert (missing, unknown) == (set(), set())


def test_the_converters_readme_has_every_option_and_no_other():
    described = set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", TEXTS["weights_converter/README.md"])) - {"-m"}
    demo_options = options_of("filters")
    assert described - demo_options == set().union(*map(options_of, CONVERTER)) - {"-h", "--help"} - demo_options


def benchmark_options(text):
    """The options that a text shows of the scripts in tests/benchmarks."""
    return {option for rest in re.findall(r"python tests/benchmarks/\w+\.py([^`\n]*)", text)
            for option in shlex.split(rest) if option.startswith("--")}


@pytest.mark.parametrize("name", [name for name in FILES if name != "demos/OPTIONS.md"])
def test_a_page_is_short(name):
    assert len(TEXTS[name].splitlines()) < 150


@pytest.mark.parametrize("name", FILES)
def test_lines_are_as_long_as_those_of_code(name):
    assert [line for line in TEXTS[name].splitlines()
            if len(line) > 120 and not line.startswith(("|", "    minicnn"))] == []
