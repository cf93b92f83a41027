"""The messages of the explorer in Korean: whole, and with the names of the user as they are."""

import re

import numpy as np
import pytest
from PIL import Image

from demos.shared.error_texts import error_text
from minicnn import images
from minicnn.errors import InputError, unknown_name

HANGUL = re.compile("[가-힣]")
LATIN_SENTENCE = re.compile(r"([a-z]{2,} ){3}[a-z]{2,}")
FILES = {"empty": b"", "no image": b"not a picture", "web page": b"<!DOCTYPE html><html>", "video": b"\0\0\1\xba" * 9,
         "photo of a phone": b"\0\0\0\x18ftypheic" + bytes(40), "broken": b"\x89PNG\r\n\x1a\n" + bytes(30),
         "document": b"%PDF-1.7", "pointer": b"version https://git-lfs.github.com/spec/v1"}


def complaint(path, **limits):
    """The explorer's words about a file that cannot be read."""
    with pytest.raises(InputError) as problem:
        images.load_image(path, **limits)
    return str(problem.value).replace(str(path), "the photo")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_picture_is_named_in_korean(tmp_path, name):
    path = tmp_path / "photo"
    path.write_bytes(FILES[name])
    english = complaint(path)
    korean = error_text(english, "ko")
    assert korean.startswith("사진: ") and HANGUL.search(korean[4:]) and not LATIN_SENTENCE.search(korean)
    assert error_text(english, "en") == english


def test_the_sizes_of_a_picture_stay_in_the_korean_sentence(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(path)
    large = error_text(complaint(path, max_pixels=1400), "ko")
    assert large == "사진: 50x30픽셀은 너무 큽니다. 최대 1,400픽셀로 줄이십시오."
    assert "50x30픽셀은 너무 작습니다" in error_text(complaint(path, min_side=40), "ko")
    Image.fromarray(np.zeros((3, 5), np.float32)).save(tmp_path / "photo.tif")
    assert not LATIN_SENTENCE.search(error_text(complaint(tmp_path / "photo.tif"), "ko"))


def test_a_name_stays_as_the_user_wrote_it():
    name = "a video; save one of its frames as PNG"  # a sentence of the catalogue
    text = error_text(str(unknown_name("layer", name, ["layer", "photo"])), "ko")
    assert f"'{name}'" in text and text.endswith("이름: layer, photo")
    assert error_text(str(unknown_name("layer", "relu_1", ["relu1", "relu2"])), "ko") == \
        "'relu_1': 없는 층입니다. 비슷한 이름: relu1, relu2"
    assert "{title}" in error_text("no network '{title}'; did you mean b?", "ko")
    assert error_text("no message of the explorer", "ko") == "no message of the explorer"
