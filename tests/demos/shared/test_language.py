"""The Korean catalogue: complete, up to date with the sources, and with the placeholders of the English sentences."""

import ast
import json
import re
from pathlib import Path
from string import Formatter

import pytest

import minicnn
from demos.exercises.contents import EXERCISES, exercise_of
from demos.exercises.skeleton import WIDTH, columns, skeleton
from demos.gallery_texts import CAPTIONS, CHOICE, VALUES
from demos.shared import catalogue
from demos.shared.check_texts import FOLDERS, WORDS, check_text
from demos.shared.error_texts import OTHERS
from demos.shared.inputs import choose_model
from demos.shared.language import LANGUAGES, english, translation
from demos.shared.page_texts import CALL, translations
from demos.shared.sentences import translated

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
    prose = [line for line in text.splitlines() if HANGUL.search(line) and not line.startswith("  ")]
    assert max(map(columns, prose)) <= WIDTH and max(map(columns, prose)) > 0.9 * WIDTH


@pytest.mark.parametrize(("folder", "count"), [("explorer/page", 90), ("templates", 7)])
def test_a_page_has_all_sentences_of_its_scripts_in_korean(folder, count):
    texts = translations(catalogue.DEMOS / folder, translation("ko"))
    used = {message.id for message in catalogue.extracted()
            if any(file.startswith(f"demos/{folder}/") and file.endswith(".js") for file, _ in message.locations)}
    assert set(texts) == used and len(texts) > count
    assert [sentence for sentence, said in texts.items() if not HANGUL.search(said)] == []
    assert json.loads(CALL.findall('t("a \\"b\\" \\u2026")')[0]) == 'a "b" …'


@pytest.mark.parametrize("page", ["README", "NUMBERS"])
def test_the_korean_page_says_what_the_english_one_says(page):
    """The same headings, tables, commands, options and links, apart from the links to pages in one language."""
    def parts(name):
        text = (Path(catalogue.DEMOS) / name).read_text(encoding="utf-8")
        links = {link.replace(".ko.md", ".md") for link in re.findall(r"\]\(([^)]+)\)", text)}
        return (len(re.findall(r"^#+ ", text, re.M)), len(re.findall(r"^\|", text, re.M)),
                re.findall(r"^    .*$", text, re.M), set(re.findall(r"`[^`]+`", text)), links)
    assert parts(f"{page}.ko.md") == parts(f"{page}.md")


def constants(folders):
    """Return all texts in the modules of these folders, each between lines."""
    return "\n".join(node.value for folder in folders for module in sorted(folder.rglob("*.py"))
                     if module.name not in ("gallery_texts.py", "check_texts.py", "error_texts.py")
                     for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
                     if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_sentences_that_are_listed_by_hand_are_in_the_sources():
    """So that a changed caption or line does not fall back to English."""
    texts = constants([*FOLDERS, Path(minicnn.__file__).parent])
    pieces = {piece.strip(" :,'") for sentence in (*CAPTIONS, *CHOICE, *VALUES, *WORDS, *OTHERS)
              for piece in re.split(r"\{\d\}|[()?]|[sx]$| with | channels? of |cannot read; ", sentence)}
    assert [piece for piece in sorted(pieces) if piece not in texts] == []
    assert "a caption that is nowhere" not in texts


@pytest.mark.parametrize(("english_text", "korean_text"), [
    ("at most 0.05", "0.05 이하"),
    ("reported, not judged: of 8", "보고만 하고 판정하지 않음: 전체 8"),
    ("guided backprop: largest gradient outside the receptive field", "유도 역전파: 수용 영역 밖의 최대 그라디언트"),
    ("a: b: largest gradient outside the crop", "a: b: 조각 밖의 최대 그라디언트"),
    ("{0}: largest gradient outside the crop", "{0}: 조각 밖의 최대 그라디언트"),
    ("less than 0.3, in random order", "무작위 순서의 값 0.3보다 작음"),
    ("no known sentence", "no known sentence")])
def test_a_check_is_translated_with_its_values(english_text, korean_text):
    assert check_text(english_text, "ko") == korean_text
    assert check_text(english_text, "en") == english_text


def test_the_line_of_the_network_is_korean(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("shapes", None):
        line = translated(choose_model(name, "auto")[1], CHOICE, translation("ko"))
        assert line.startswith("네트워크: ") and not re.search("chosen|there are|installed", line)


def test_no_sentence_leaves_the_choice_of_a_particle_to_the_reader():
    assert [message.string for message in MESSAGES if re.search(r"\((가|를|는|과|와|로|으로)\)", message.string)] == []
