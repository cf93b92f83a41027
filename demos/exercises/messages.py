"""The language of the sentences that a learner reads. All of them pass through `_`, as plain literals."""

import gettext
from pathlib import Path

LANGUAGES = ("en", "ko")
DOMAIN = "exercises"
FOLDER = Path(__file__).with_name("locale")  # FOLDER/ko/LC_MESSAGES/exercises.mo, once there is a translation

_chosen: list[gettext.NullTranslations] = [gettext.NullTranslations()]  # of this process, which runs one command


def set_language(language: str) -> None:
    """Choose one of LANGUAGES for this process. Sentences without a translation stay in English."""
    _chosen[0] = gettext.translation(DOMAIN, FOLDER, [language], fallback=True)


def _(message: str) -> str:
    """Return the message in the chosen language. Called inside functions, as the language is chosen after imports."""
    return _chosen[0].gettext(message)
