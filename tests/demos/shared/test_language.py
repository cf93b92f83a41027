"""The Korean catalogue: complete, up to date with the sources, and with the placeholders of the English sentences."""

import json
import re
from pathlib import Path
from string import Formatter

import pytest

from demos.exercises.contents import EXERCISES, exercise_of
from demos.exercises.skeleton import skeleton
from demos.explorer.texts import CALL, translations
from demos.shared import catalogue
from demos.shared.language import LANGUAGES, english, translation

MESSAGES = [message for message in catalogue.read() if message.id]
HANGUL = re.compile("[가-힣]")


def placeholders(text):
    """Return the fields {name:format} and %s of a sentence, sorted."""
    without_code = re.sub(r"\{layer: seed\}|\{name: seed\}|\{net\.output: seed\}", "", text)
    return sorted((name or "", spec) for _, name, spec, _ in Formatter().parse(without_code) if name is not None) \
        + sorted(re.findall(r"%[a-z%]", text))


def test_the_catalogue_has_the_sentences_of_the_sources():
    """If this fails, run: python -m demos.shared.catalogue."""
    assert {message.id for message in MESSAGES} == {message.id for message in catalogue.extracted() if message.id}
    assert len(MESSAGES) > 350


def test_every_sentence_is_translated():
    assert [message.id for message in MESSAGES if not message.string or message.fuzzy] == []
    assert [message.id for message in MESSAGES if not HANGUL.search(message.string)] == []


def test_placeholders_agree():
    named = [message for message in MESSAGES if not re.search(r"\{\d", message.id)]
    assert [message.id for message in named if placeholders(message.id) != placeholders(message.string)] == []
    numbered = [message for message in MESSAGES if message not in named]  # a translation need not have an English -s
    assert [message.id for message in numbered
            if not set(placeholders(message.string)) <= set(placeholders(message.id))] == []
    assert placeholders("{a} of {b:.1f}, %s, {layer: seed}") == [("a", ""), ("b", ".1f"), "%s"]


def test_the_edges_of_a_sentence_agree():
    """A sentence that is joined to another one ends as the English one does, and formulas stay indented."""
    for message in MESSAGES:
        for edge in (r"^\s*", r"\s*$"):
            assert re.search(edge, message.id)[0] == re.search(edge, message.string)[0], message.id
        assert message.id.count("\n\n") == message.string.count("\n\n"), message.id
        assert message.id.count("\n    ") == message.string.count("\n    "), message.id


def test_the_compiled_catalogue_is_that_of_the_text():
    assert catalogue.KOREAN.with_suffix(".mo").read_bytes() == catalogue.as_mo(catalogue.read())


def test_the_text_is_as_the_command_writes_it():
    assert catalogue.KOREAN.read_bytes() == catalogue.as_po(catalogue.read())


def test_a_translation_is_a_function_of_the_language_alone():
    assert LANGUAGES == ("en", "ko") and translation("en") is english
    korean = translation("ko")
    assert korean("stride 2") == "스트라이드 2" and english("stride 2") == "stride 2"
    assert korean("not in the catalogue") == "not in the catalogue"


@pytest.mark.parametrize("name", EXERCISES)
def test_the_exercises_are_korean(name):
    made = exercise_of(name, translation("ko"))
    sentences = [made.title, made.task, made.caption, *made.hints, *(mistake.hint for mistake in made.mistakes),
                 *(case.name for case in made.all_cases()), *(function.task for function in made.functions)]
    assert [text for text in sentences if not HANGUL.search(text)] == []
    text = skeleton(made)
    compile(text, f"{name}.py", "exec")
    assert "minicnn exercise" in text and HANGUL.search(text)


def test_the_explorer_has_all_sentences_of_its_modules_in_korean():
    page = catalogue.DEMOS / "explorer" / "page"
    texts = translations(page, translation("ko"))
    used = {message.id for message in catalogue.extracted()
            if any(file.endswith(".js") for file, _ in message.locations)}
    assert set(texts) == used and len(texts) > 90
    assert [sentence for sentence, said in texts.items() if not HANGUL.search(said)] == []
    assert json.loads(CALL.findall('t("a \\"b\\" \\u2026")')[0]) == 'a "b" …'


def test_the_korean_readme_says_what_the_english_one_says():
    """The same headings, tables, commands, options and links, apart from the link to each other."""
    def parts(name):
        text = (Path(catalogue.DEMOS) / name).read_text(encoding="utf-8")
        links = set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.ko.md"}
        return (len(re.findall(r"^#+ ", text, re.M)), len(re.findall(r"^\|", text, re.M)),
                re.findall(r"^    .*$", text, re.M), set(re.findall(r"`[^`]+`", text)), links)
    assert parts("README.ko.md") == parts("README.md")
