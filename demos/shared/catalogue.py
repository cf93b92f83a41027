"""Update the Korean catalogue from the sources (needs Babel, of the extra dev): python -m demos.shared.catalogue

New sentences get an empty translation in minicnn.po, to be filled in by hand. Run the command again after that: it
writes minicnn.mo, which the programs read.
"""

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from ..gallery import ENTRIES, REASONS
from ..gallery_page import source_of
from ..gallery_texts import CAPTIONS, CHOICE, VALUES, sentences
from ..techniques import PARTS, TECHNIQUES
from .check_texts import check_sentences
from .error_texts import error_sentences
from .language import DOMAIN, FOLDER

DEMOS = FOLDER.parent
ROOT = DEMOS.parent
KOREAN = FOLDER / "ko" / "LC_MESSAGES" / f"{DOMAIN}.po"
SOURCES = (("**.py", "python", "_"), ("templates/**.html", "jinja2", "_"), ("explorer/page/**.html", "jinja2", "_"),
           ("explorer/page/**.js", "javascript", "t"), ("templates/**.js", "javascript", "t"))


def extracted() -> Catalog:
    """Return a catalogue of all sentences in the sources: plain literals in calls of `_`, or of `t` in JavaScript."""
    catalog = Catalog()
    for files, method, function in SOURCES:
        found = extract_from_dir(DEMOS, [(files, method)], {files: {"parse_template_string": "true"}}, {function: None})
        for file, _line, message, _comments, _context in found:
            if message:
                catalog.add(message, locations=[(f"demos/{file}", 0)])
    for sentence in (*PARTS, *(one.name for one in TECHNIQUES), *REASONS.values(), *VALUES, *CAPTIONS, *CHOICE):
        catalog.add(sentence, locations=[("demos/techniques.py", 0)])
    for demo in ENTRIES:
        for sentence in sentences(source_of(demo)):
            catalog.add(sentence, locations=[(f"demos/{demo}.py", 0)])
    for sentence, module in (*check_sentences().items(), *error_sentences().items()):
        catalog.add(sentence, locations=[(module.relative_to(ROOT).as_posix(), 0)])
    return catalog


def read(path: Path = KOREAN) -> Catalog:
    """Return the catalogue in a .po file."""
    with open(path, "rb") as file:
        return read_po(file, "ko", DOMAIN)


def as_po(catalog: Catalog) -> bytes:
    """Return the text of the catalogue's .po file."""
    made = io.BytesIO()
    for message in catalog:  # as they are read again, so that the order of the messages stays
        message.locations = sorted(set(message.locations))
    write_po(made, catalog, width=110, sort_by_file=True, ignore_obsolete=True, include_lineno=False)
    return made.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """Return the catalogue as the .mo file that gettext reads."""
    made = io.BytesIO()
    write_mo(made, catalog)
    return made.getvalue()


def update() -> None:
    """Bring the Korean .po and .mo files up to date with the sources, and print the number of empty translations."""
    catalog = read()
    catalog.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    KOREAN.write_bytes(as_po(catalog))
    KOREAN.with_suffix(".mo").write_bytes(as_mo(catalog))
    print(f"{KOREAN}: {len(catalog)} sentences, {sum(not one.string for one in catalog if one.id)} to translate")


if __name__ == "__main__":
    update()
