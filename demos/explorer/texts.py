"""The explorer's page in one language: index.html, with the translations of the sentences in the page's modules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from ..shared.language import translation
from ..shared.page_texts import translations


def page_of(templates: Environment, page: Path, language: str, static: Sequence[str] = (),
            modules: Sequence[str] = (), known: dict[str, Any] | None = None) -> str:
    """Return index.html in one of LANGUAGES.

    page : the folder with the page's files. static : the scripts of a static edition; none for a server. modules : of
    a server, to load at once. known : {request: answer} of the first requests.
    """
    _ = translation(language)
    texts = {} if language == "en" else translations(page, _)
    return templates.get_template("index.html").render(title=_("minicnn explorer"), static=static, modules=modules,
                                                       known=known or {}, language=language, texts=texts, _=_)
