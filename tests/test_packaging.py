"""The distribution's name, and what the messages tell people to install."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS = [path for folder in ("minicnn", "weights_converter", "demos") for path in sorted((ROOT / folder).rglob("*"))
         if path.suffix in (".py", ".md")] + [ROOT / "README.md"]


def test_the_distribution_has_a_name_that_is_not_a_strangers():
    """A package called minicnn, of other authors, is on the public index."""
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg")
    assert configuration["metadata"]["name"] == "minicnn-inside"


def test_no_text_tells_people_to_install_a_strangers_package():
    assert len(TEXTS) > 200
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip3? install[^\n`]*\bminicnn\b", text), path
        assert not re.search(r"\bminicnn\[", text), path
