"""README.md is true: its example runs, its commands exist, its links lead somewhere."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


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


def test_every_command_is_there():
    modules = set(re.findall(r"python -m ((?:demos|weights_converter)[.\w]*)", TEXT))
    assert {"demos", "demos.saliency", "demos.step_through", "weights_converter"} <= modules
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\((?!http)([^)]+)\)", TEXT)
    assert len(links) > 8
    for link in links:
        assert (ROOT / link).is_file(), link


def test_every_function_of_the_table_is_public():
    from minicnn import visualize
    for row in re.findall(r"^\| [^|]+ \| ([^|]+) \| `python", TEXT, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row):
            assert name in visualize.__all__, name


def test_lines_are_as_long_as_those_of_code():
    assert [line for line in TEXT.splitlines() if len(line) > 120 and not line.startswith("|")] == []
