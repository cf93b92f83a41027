"""The explorer's page in one language: index.html, with the translations of the sentences in the page's modules."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment

from ..shared.language import translation
from ..shared.page_texts import translations


def page_of(templates: Environment, page: Path, language: str, static: Sequence[str] = ()) -> str:
    """Return index.html in one of LANGUAGES.

    page : the folder with the page's files. static : the scripts of a static edition; none for a server.
    """
    _ = translation(language)
    texts = {} if language == "en" else translations(page, _)
    return templates.get_template("index.html").render(title=_("minicnn explorer"), static=static, language=language,
                                                       texts=texts, _=_)
