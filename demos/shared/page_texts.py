"""The sentences of a page's scripts in another language. A script gets them as {English sentence: translation}."""

import json
import re
from pathlib import Path

from .language import Translate

CALL = re.compile(r'\bt\(\s*("(?:[^"\\]|\\.)*")')  # of the scripts' function that translates


def translations(folder: Path, _: Translate) -> dict[str, str]:
    """Return {sentence: translation} of all sentences in the scripts of a folder."""
    sentences = {json.loads(call) for script in sorted(folder.glob("*.js"))
                 for call in CALL.findall(script.read_text(encoding="utf-8"))}
    return {sentence: _(sentence) for sentence in sorted(sentences)}
