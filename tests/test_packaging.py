"""The distribution's name, and what the messages tell people to install."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from demos.techniques import demo_names, list_of_demos

ROOT = Path(__file__).parents[1]
TEXTS = [path for folder in ("minicnn", "weights_converter", "demos") for path in sorted((ROOT / folder).rglob("*"))
         if path.suffix in (".py", ".md")] + [ROOT / "README.md"]
CONFIGURATION = configparser.ConfigParser()
CONFIGURATION.read(ROOT / "setup.cfg")


def test_the_distribution_has_a_name_that_is_not_a_strangers():
    """A package called minicnn, of other authors, is on the public index."""
    assert CONFIGURATION["metadata"]["name"] == "minicnn-inside"


def test_no_text_tells_people_to_install_a_strangers_package():
    assert len(TEXTS) > 200
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip3? install[^\n`&]*\bminicnn\b", text), path
        assert not re.search(r"\bminicnn\[", text), path


def test_every_package_is_listed():
    """setuptools finds packages by itself only where the folders have the names of the packages."""
    folders = {path.parent.relative_to(ROOT).parts for top in ("minicnn", "demos", "weights_converter")
               for path in (ROOT / top).rglob("__init__.py")}
    expected = {".".join(parts if parts[0] == "minicnn" else ("minicnn", *parts)) for parts in folders}
    assert set(CONFIGURATION["options"]["packages"].split()) == expected


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with nothing but the wheel's files."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy, as setuptools writes into the folder that it builds
    for name in ("minicnn", "demos", "weights_converter"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source],
                   check=True, capture_output=True)
    wheel, = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_one_package_with_its_data(site):
    assert sorted(path.name for path in site.iterdir() if path.suffix != ".dist-info") == ["minicnn"]
    for name in ("py.typed", "CHANGES.md", "CITATION.cff", "data/shapes.h5", "demos/example.jpg", "demos/console.py",
                 "demos/notebooks/01_filters.ipynb", "weights_converter/convert.py",
                 "demos/explorer/page/index.html", "demos/explorer/page/main.js"):
        assert (site / "minicnn" / name).is_file(), name


def test_the_wheel_works_in_a_folder_with_packages_of_the_same_names(site, tmp_path):
    for name in ("demos", "weights_converter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('a stranger')")
    environment = os.environ | {"PYTHONPATH": str(site), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def minicnn(*words):
        done = subprocess.run([sys.executable, "-m", "minicnn", *words], cwd=tmp_path, env=environment,
                              capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr
    for name in ("gallery", *demo_names()):
        code, out, err = minicnn(name, "--help")
        assert code == 0 and out.startswith(f"usage: minicnn {name} "), err
    code, out, err = minicnn("saliency", "--model", "shapes", "--out", "made")
    assert (code, err) == (0, "") and (tmp_path / "made" / "saliency.png").is_file()
    assert minicnn("list")[1].rstrip("\n") == list_of_demos()
    code, out, err = minicnn("convert", "missing")
    assert (code, err) == (2, "minicnn convert: error: missing does not exist\n")
    code, out, err = minicnn("fetch", "missing")
    assert code == 2 and err.startswith("minicnn fetch: error: no network 'missing'")


def test_the_citation_and_the_changes_name_this_version():
    version = re.search(r'^__version__ = "(.+)"', (ROOT / "minicnn/__init__.py").read_text(encoding="utf-8"), re.M)[1]
    assert f"\nversion: {version}\n" in (ROOT / "minicnn/CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version}" in (ROOT / "minicnn/CHANGES.md").read_text(encoding="utf-8")
