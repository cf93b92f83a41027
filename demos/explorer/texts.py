"""The explorer's page in one language: index.html, with the translations of the sentences in the page's modules."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment

from ..shared.language import Translate, translation

CALL = re.compile(r'\bt\(\s*("(?:[^"\\]|\\.)*")')  # of the function of text.js


def page_of(templates: Environment, page: Path, language: str, static: Sequence[str] = ()) -> str:
    """Return index.html in one of LANGUAGES.

    page : the folder with the page's files. static : the scripts of a static edition; none for a server.
    """
    _ = translation(language)
    texts = {} if language == "en" else translations(page, _)
    return templates.get_template("index.html").render(title=_("minicnn explorer"), static=static, language=language,
                                                       texts=texts, _=_)


def translations(page: Path, _: Translate) -> dict[str, str]:
    """Return {sentence: translation} of all sentences in the modules of the page."""
    sentences = {json.loads(call) for module in sorted(page.glob("*.js"))
                 for call in CALL.findall(module.read_text(encoding="utf-8"))}
    return {sentence: _(sentence) for sentence in sorted(sentences)}
