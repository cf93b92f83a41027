"""Masks in every form are the same mask; anything else is refused by one true sentence."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from style_problems import halves, transfer

from demos.shared.style_inputs import load_sources
from minicnn import load_model
from minicnn.errors import InputError
from minicnn.visualize.style.masks import mask_levels, require_masks

MASK = np.zeros((36, 48), np.uint8)
MASK[:, 20:] = 255
ONES = (MASK > 0).astype("u1")
COLOUR = np.stack([ONES * 128, ONES * 0, ONES * 0], axis=-1)  # black and red, as palettes of segmentations have


def with_alpha(mask, alpha):
    return np.concatenate([np.repeat(mask[..., None], 3, axis=2), np.full((*mask.shape, 1), alpha, mask.dtype)], axis=2)


FORMS = {
    "0..255": MASK, "0 and 1": ONES, "bool": MASK > 0, "int64": ONES.astype(int), "0..1": MASK / 255,
    "0..1 in float16": (MASK / 255).astype("f2"), "0..255 in float": MASK.astype("f4"), "list": ONES.tolist(),
    "(H, W, 1)": MASK[..., None], "RGB": np.repeat(MASK[..., None], 3, axis=2), "RGBA": with_alpha(MASK, 255),
    "RGB of 0 and 1": np.repeat(ONES[..., None], 3, axis=2), "RGBA of 0 and 1": with_alpha(ONES, 1),
    "RGB of bool": np.repeat(MASK[..., None] > 0, 3, axis=2), "black and a colour": COLOUR,
    "grey and alpha": np.stack([MASK, np.full_like(MASK, 255)], axis=-1), "PIL L": Image.fromarray(MASK),
    "PIL 1": Image.fromarray(MASK).convert("1"), "PIL of 0 and 1": Image.fromarray(ONES),
    "PIL RGBA": Image.fromarray(MASK).convert("RGBA"), "a rounding error above 1": MASK / 255 * (1 + 1e-7),
    "objects": ONES.astype(object), "read backwards": MASK[:, ::-1]}
FORMS["read backwards"] = MASK[:, ::-1].copy()[:, ::-1]


@pytest.mark.parametrize("form", FORMS)
def test_masks_in_every_form_are_the_same_mask(form):
    assert (mask_levels("mask 1", FORMS[form]) == MASK).all()
    masks = require_masks([FORMS[form], FORMS[form]], np.zeros((36, 48, 3), np.uint8))
    assert len(masks) == 2 and all((mask == MASK).all() for mask in masks)


def test_a_soft_mask_keeps_its_values():
    soft = np.linspace(0, 1, 36 * 48).reshape(36, 48)
    for mask in (soft, np.rint(soft * 255).astype("u1"), soft * 255):
        assert (mask_levels("mask 1", mask) == np.rint(soft * 255)).all()
    noisy = np.repeat(MASK[..., None], 3, axis=2).astype(int) + [0, 3, 6]  # as the colours of a JPEG file
    assert np.abs(mask_levels("mask 1", np.clip(noisy, 0, 255)).astype(int) - MASK).max() <= 3


def test_one_mask_for_one_style_needs_no_list():
    photo = np.zeros((36, 48, 3), np.uint8)
    for masks in (MASK, MASK[None], [MASK], MASK[..., None], np.repeat(MASK[..., None], 3, axis=2), ONES.tolist(),
                  Image.fromarray(MASK)):
        one, = require_masks(masks, photo)
        assert (one == MASK).all()
    assert [mask.shape for mask in require_masks(np.stack([MASK] * 3), photo)] == [(36, 48)] * 3
    assert require_masks(None, photo) is None


@pytest.mark.parametrize(("mask", "message"), [
    (MASK.astype(int) * 257, "mask 1 has values from 0 to 65535; expected 0 and 1, 0 to 1, or 0 to 255"),
    (MASK / 255 - 0.5, "mask 1 has values from -0.5 to 0.5"), (MASK * np.nan, "not finite"),
    (ONES * 15, "from 0 to 15, neither .* labels of a segmentation"), (0 * MASK, "mask 1 is black everywhere"),
    (MASK > 255, "mask 1 is black everywhere"), (MASK.T, r"mask 1 has 36x48 pixels, the content picture 48x36; they"),
    (np.repeat(MASK.T[..., None], 3, axis=2), "mask 1 has 36x48 pixels, the content picture 48x36"),
    (np.dstack([MASK, MASK[::-1], MASK[:, ::-1]]), "mask 1 is a picture in colours"),
    (with_alpha(MASK, 100), "mask 1 has transparent pixels"), (np.zeros((36, 48, 5)), r"the shape \(36, 48, 5\)"),
    (MASK / 250, "values from 0 to 1.02, neither 0 to 1 nor 0 to 255"),
    ("cat.png", "mask 1 is str 'cat.png'"), (MASK * 1j, "complex"), (None, "mask 1 is None")], ids=str)
def test_other_masks_are_refused_by_a_true_sentence(mask, message):
    with pytest.raises(InputError, match=message) as caught:
        require_masks([mask], np.zeros((36, 48, 3), np.uint8))
    assert "\n" not in str(caught.value)


def test_the_style_is_painted_as_strongly_by_0_and_1_as_by_0_and_255():
    strong = transfer(np, ("stripes", "dots"), masks=halves(), num_steps=2)
    for masks in ([mask // 255 for mask in halves()], [mask > 0 for mask in halves()], np.stack(halves()) / 255):
        weak = transfer(np, ("stripes", "dots"), masks=masks, num_steps=2)
        assert weak.history == strong.history and (weak.picture == strong.picture).all()


def palette_image(colours):
    picture = Image.fromarray(ONES, "P")
    picture.putpalette(colours)
    return picture


@pytest.mark.parametrize("picture", [
    Image.fromarray(MASK), Image.fromarray(ONES), Image.fromarray(MASK > 0), palette_image([0, 0, 0, 128, 0, 0]),
    palette_image([0, 0, 0, 1, 1, 1]), palette_image([0, 0, 0, 255, 255, 255]), Image.fromarray(COLOUR),
    Image.fromarray(MASK).convert("RGBA"), Image.fromarray(MASK).convert("LA"),
    Image.fromarray(MASK.astype("u2") * 257)], ids=lambda picture: picture.mode)
def test_mask_files_of_a_demo_in_every_form(picture, tmp_path):
    picture.save(tmp_path / "mask.png")
    Image.fromarray(np.zeros((36, 48, 3), np.uint8)).save(tmp_path / "photo.png")
    found = load_sources(load_model("shapes", "cpu"),
                         Namespace(photos=[tmp_path / "photo.png"], masks=[tmp_path / "mask.png"]))
    assert (found.masks[0] == MASK).all()


def test_a_mask_file_in_colours_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a long path is cut
    Image.fromarray(np.dstack([MASK, MASK[::-1], MASK[:, ::-1]])).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match=r"mask\.png is a picture in colours"):
        load_sources(load_model("shapes", "cpu"), Namespace(photos=[], masks=[Path("mask.png")]))
