"""The language of sentences that a person reads: English as in the sources, or Korean from demos/locale.

A translation is an argument named `_` of the functions that write such sentences. Nothing here changes for a process.
"""

import gettext
from collections.abc import Callable
from pathlib import Path

LANGUAGES = ("en", "ko")
LANGUAGE_HELP = "language of the sentences, English or Korean; figures stay English (default: en)"
DOMAIN = "minicnn"
FOLDER = Path(__file__).parents[1] / "locale"  # FOLDER/ko/LC_MESSAGES/minicnn.mo

Translate = Callable[[str], str]


def english(message: str) -> str:
    """Return the message as it is."""
    return message


def translation(language: str) -> Translate:
    """Return the function that translates a message of the sources into one of LANGUAGES."""
    return english if language == "en" else gettext.translation(DOMAIN, FOLDER, [language]).gettext
