"""What a file says about its pixels is followed, or the file is refused with a line that names the reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from icc_profiles import ADOBE_RGB, DISPLAY_P3, grey_profile, rgb_profile
from PIL import Image, ImageCms
from tiff_files import EXTRA, write_tiff

from minicnn.errors import InputError
from minicnn.images import load_image

GREATEST, S_GREATEST = 281, 341  # TIFF's tags
NO_RANGE = "no fixed range"


def first_row(path):
    """Return the grey values of the first row; the image must be grey."""
    image = load_image(path)
    assert (image == image[..., :1]).all()
    return image[0, :, 0].tolist()


def tiff(folder, values, dtype, *arguments, **keywords):
    write_tiff(folder / "image.tif", np.array([values] * 2).astype(dtype), *arguments, **keywords)
    return folder / "image.tif"


def refusal(path):
    with pytest.raises(InputError) as refused:
        load_image(path)
    assert str(refused.value).startswith(f"{path}: ") and "\n" not in str(refused.value)
    return str(refused.value)


# ---- the range of the values


@pytest.mark.parametrize("dtype", ["u4", "i4", "i2"])
def test_many_bits_of_the_range_of_8(tmp_path, dtype):
    signed = dtype[0] == "i"
    assert first_row(tiff(tmp_path, [0, 1, 128, 255], dtype, sample_format=2 if signed else 1)) == [0, 1, 128, 255]


def test_32_bits_of_the_range_of_16(tmp_path):
    assert first_row(tiff(tmp_path, [0, 257, 32768, 65535], "u4")) == [0, 1, 128, 255]


def test_signed_16_bits(tmp_path):
    assert first_row(tiff(tmp_path, [0, 16384, 32767], "i2", sample_format=2)) == [0, 128, 255]
    assert NO_RANGE in refusal(tiff(tmp_path, [0, -1], "i2", sample_format=2))


def test_signed_8_bits(tmp_path):
    assert first_row(tiff(tmp_path, [0, 1, 127], "i1", sample_format=2)) == [0, 1, 127]
    assert "signed 8-bit pixels are negative" in refusal(tiff(tmp_path, [0, -1], "i1", sample_format=2))


def test_12_bits(tmp_path):
    packed = np.frombuffer(bytes.fromhex("000800fff000") * 2, np.uint8).reshape(2, 6)  # 0, 2048, 4095, 0 in 12 bits
    write_tiff(tmp_path / "image.tif", packed, bits=12, more={256: 4})
    assert first_row(tmp_path / "image.tif") == [0, 128, 255, 0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_stated_range(tmp_path, order):
    path = tiff(tmp_path, [0, 2048, 4095], "u2", order=order, more={GREATEST: 4095})
    assert first_row(path) == [0, 128, 255]
    path = tiff(tmp_path, [0, 32768, 65535], "u2", order=order, more={GREATEST: 255})  # not true: values are larger
    assert first_row(path) == [0, 128, 255]


def test_the_stated_range_of_32_bits(tmp_path):
    assert first_row(tiff(tmp_path, [0, 70_000, 140_000], "u4", more={S_GREATEST: 140_000})) == [0, 128, 255]
    assert NO_RANGE in refusal(tiff(tmp_path, [0, 70_000], "u4"))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats_are_refused_by_name(tmp_path, dtype, channels):
    values = [0.0, 1.0] if channels == 1 else [[0.0, 0.5, 1.0]] * 2
    line = refusal(tiff(tmp_path, values, dtype, 1 if channels == 1 else 2, sample_format=3))
    assert "float" in line and "8-bit PNG" in line


def test_a_kind_of_tiff_that_pillow_lacks_is_named(tmp_path):
    line = refusal(tiff(tmp_path, [0, 1], "u4", order=">"))
    assert "big-endian TIFF with 1 channel of 32-bit integers, which Pillow cannot read; convert it" in line
    line = refusal(tiff(tmp_path, [0, 1], "u2", photometric=0, order=">"))
    assert "1 channel of 16-bit integers, 0 as white, which Pillow" in line
    assert "2 channels of 16-bit integers" in refusal(tiff(tmp_path, [[0, 1]] * 2, "u2"))


@pytest.mark.parametrize("largest", [1023, 4095, 65535])
def test_a_pgm_of_any_range(tmp_path, largest):
    values = np.array([[0, largest // 2, largest]] * 2, ">u2")
    (tmp_path / "a.pgm").write_bytes(f"P5 3 2 {largest}\n".encode() + values.tobytes())
    assert first_row(tmp_path / "a.pgm") in ([0, 127, 255], [0, 128, 255])
    (tmp_path / "dark.pgm").write_bytes(f"P5 3 2 {largest}\n".encode() + np.array([[0, 1, 2]] * 2, ">u2").tobytes())
    assert max(first_row(tmp_path / "dark.pgm")) <= 1


@pytest.mark.parametrize(("bits", "values", "expected"), [
    (8, [0, 128, 255], [0, 128, 255]), (16, [0, 257, 514], [0, 1, 2]), (32, [0, 128, 255], [0, 128, 255]),
    (32, [0, 70_000], NO_RANGE), (32, [0, -1], NO_RANGE), (-32, [0.0, 1.0], "float pixels")])
def test_an_image_of_an_observatory(tmp_path, bits, values, expected):
    cards = {"SIMPLE": "T", "BITPIX": bits, "NAXIS": 2, "NAXIS1": len(values), "NAXIS2": 2}
    header = "".join(f"{key:8}= {value!s:>20}".ljust(80) for key, value in cards.items()) + "END".ljust(80)
    kind = ">f4" if bits < 0 else f">{'u' if bits == 8 else 'i'}{bits // 8}"
    data = np.array([values] * 2).astype(kind).tobytes()
    (tmp_path / "a.fits").write_bytes(header.ljust(2880).encode() + data.ljust(2880, b"\0"))
    if isinstance(expected, str):
        assert expected in refusal(tmp_path / "a.fits")
    else:
        assert first_row(tmp_path / "a.fits") == expected


# ---- the meaning of the values


@pytest.mark.parametrize(("dtype", "values"), [("u1", [0, 55, 255]), ("u2", [0, 55 * 257, 65535])])
def test_min_is_white(tmp_path, dtype, values):
    assert first_row(tiff(tmp_path, values, dtype, photometric=0)) == [255, 200, 0]


@pytest.mark.parametrize(("photometric", "expected"), [(0, [0, 255, 0]), (1, [255, 0, 255])])
def test_min_is_white_of_1_bit(tmp_path, photometric, expected):
    write_tiff(tmp_path / "bits.tif", np.array([[0b10100000]] * 2, np.uint8), photometric, bits=1, more={256: 3})
    assert first_row(tmp_path / "bits.tif") == expected


@pytest.mark.parametrize(("photometric", "expected"), [(0, [255, 170, 85, 0]), (1, [0, 85, 170, 255])])
def test_min_is_white_of_2_bits(tmp_path, photometric, expected):
    write_tiff(tmp_path / "bits.tif", np.array([[0b00011011]] * 2, np.uint8), photometric, bits=2, more={256: 4})
    assert first_row(tmp_path / "bits.tif") == expected


@pytest.mark.parametrize(("extra", "expected"), [(2, [177, 127, 127]), (1, [227, 127, 127])])
def test_alpha_and_premultiplied_alpha(tmp_path, extra, expected):
    assert load_image(tiff(tmp_path, [[100, 0, 0, 128]] * 2, "u1", 2, more={EXTRA: extra}))[0, 0].tolist() == expected
    grey = load_image(tiff(tmp_path, [[100, 128]] * 2, "u1", 1, more={EXTRA: extra}))[0, 0].tolist()
    assert grey == [expected[0]] * 3


def test_lab(tmp_path):
    red = [138, 81, 70]  # L 54.3 of 100, as 138 of 255; a 81; b 70: the red of sRGB is (53.2, 80, 67)
    shown = load_image(tiff(tmp_path, [[255, 0, 0], [0, 0, 0], red], "u1", photometric=8))[0].astype(int)
    assert np.abs(shown - [[255, 255, 255], [0, 0, 0], [255, 0, 0]]).max() <= 8


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_colours(tmp_path, order):
    assert load_image(tiff(tmp_path, [[0, 65535, 257 * 7]] * 2, "u2", 2, order=order))[0, 0].tolist() == [0, 255, 7]
    with_alpha = [[257 * 100, 0, 0, 65535], [0, 0, 0, 0]]
    shown = load_image(tiff(tmp_path, with_alpha, "u2", 2, order=order, more={EXTRA: 2}))[0].tolist()
    assert shown == [[100, 0, 0], [255, 255, 255]]


def test_ycck_jpeg_of_adobe_is_not_inverted(tmp_path):
    inks = np.full((16, 16, 4), (0, 200, 200, 0), np.uint8)  # of CMYK: red
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "inks.jpg", quality=98)
    data = (tmp_path / "inks.jpg").read_bytes()
    assert data.count(b"Adobe") == 1
    assert np.abs(load_image(tmp_path / "inks.jpg").astype(int) - [255, 55, 55]).max() <= 6


def test_mpo_shows_its_first_picture(tmp_path):
    first, second = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    first.save(tmp_path / "stereo.mpo", format="MPO", save_all=True, append_images=[second])
    (tmp_path / "stereo.jpg").write_bytes((tmp_path / "stereo.mpo").read_bytes())
    for name in ("stereo.mpo", "stereo.jpg"):
        assert np.abs(load_image(tmp_path / name).astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize(("suffix", "frames"), [(".png", 1), (".webp", 1), (".tif", 1), (".jpg", 1),
                                                (".png", 3), (".webp", 3), (".tif", 3)])
def test_orientation_of_every_format_and_of_animations(tmp_path, suffix, frames):
    exif = Image.Exif()
    exif[0x0112] = 6  # the left edge is the top
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:, :16] = 255
    others = [Image.fromarray(stored[::-1] // 2)] * (frames - 1)
    more = {"save_all": True, "append_images": others} if others else {}
    Image.fromarray(stored).save(tmp_path / f"photo{suffix}", exif=exif, **more)
    upright = load_image(tmp_path / f"photo{suffix}")
    assert upright.shape == (32, 16, 3)
    assert upright[:12].min() > 230 and upright[20:].max() < 25


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_orientation_of_a_compressed_tiff_and_of_an_mpo(tmp_path, compression):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:, :16] = 255
    Image.fromarray(stored).save(tmp_path / "photo.tif", exif=exif, compression=compression)
    second = [Image.fromarray(stored)]
    Image.fromarray(stored).save(tmp_path / "photo.mpo", exif=exif, save_all=True, append_images=second)
    for name in ("photo.tif", "photo.mpo"):
        upright = load_image(tmp_path / name)
        assert upright.shape == (32, 16, 3) and upright[:12].min() > 230 and upright[20:].max() < 25


# ---- colours

COLOURS = np.array([[[200, 30, 40], [40, 180, 60], [90, 90, 90], [250, 240, 20]]] * 2, np.uint8)
P3 = rgb_profile(DISPLAY_P3, 2.2)


@pytest.mark.parametrize("profile", [P3, rgb_profile(ADOBE_RGB, 2.19921875)])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_an_embedded_profile_is_converted_to_srgb(tmp_path, profile, suffix):
    image = Image.fromarray(COLOURS)
    image.save(tmp_path / f"photo{suffix}", icc_profile=profile, lossless=True)
    expected = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                                         ImageCms.createProfile("sRGB"))
    loaded = load_image(tmp_path / f"photo{suffix}").astype(int)
    assert np.abs(loaded - np.asarray(expected)).max() <= 1
    assert np.abs(loaded - COLOURS)[0, :2].max() >= 15  # strong colours become stronger
    assert np.abs(loaded - COLOURS)[0, 2].max() <= 2    # grey stays


def test_alpha_and_palette_with_a_profile(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "plain.png", icc_profile=P3)
    expected = load_image(tmp_path / "plain.png")
    rgba = np.dstack([COLOURS, np.full(COLOURS.shape[:2], 255, np.uint8)])
    rgba[:, 1, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "alpha.png", icc_profile=P3)
    loaded = load_image(tmp_path / "alpha.png")
    assert loaded[0, 1].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(np.delete(loaded, 1, axis=1), np.delete(expected, 1, axis=1))
    palette = Image.fromarray(COLOURS).quantize(4)
    palette.save(tmp_path / "palette.png", icc_profile=P3)
    assert np.abs(load_image(tmp_path / "palette.png").astype(int) - expected).max() <= 2


@pytest.mark.parametrize("bits", [8, 16])
def test_the_gamma_of_a_grey_profile(tmp_path, bits):
    grey = np.array([[0, 55, 128, 255]] * 2)
    pixels = grey.astype(np.uint8) if bits == 8 else (grey * 257).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "grey.png", icc_profile=grey_profile(1.0))
    linear = grey[0] / 255
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear**(1 / 2.4) - 0.055)
    assert np.abs(np.array(first_row(tmp_path / "grey.png")) - expected).max() <= 2


def test_grey_with_alpha_and_a_profile(tmp_path):
    Image.fromarray(np.array([[(55, 255), (55, 0), (255, 255)]] * 2, np.uint8), mode="LA").save(
        tmp_path / "grey.png", icc_profile=grey_profile(1.0))
    assert np.abs(np.array(first_row(tmp_path / "grey.png")) - [128, 255, 255]).max() <= 2


def test_a_grey_picture_with_a_profile_of_colours(tmp_path):
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "grey.png", icc_profile=rgb_profile(DISPLAY_P3, 1.0))
    assert first_row(tmp_path / "grey.png")[2] > 140  # 90 in linear light


def test_cmyk_with_a_profile_of_other_colours(tmp_path):
    inks = np.full((4, 4, 4), (0, 255, 255, 0), np.uint8)
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "inks.tif", icc_profile=P3)
    np.testing.assert_array_equal(load_image(tmp_path / "inks.tif"), np.full((4, 4, 3), (255, 0, 0)))


def test_srgb_changes_no_pixel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png",
                                 icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    np.testing.assert_array_equal(load_image(tmp_path / "photo.png"), pixels)


@pytest.mark.parametrize("profile", [b"x", b"garbage" * 50, P3[:200], P3[:-40], P3.replace(b"acsp", b"xxxx"),
                                     P3.replace(b"rXYZ", b"zzzz"), grey_profile(1.0)])
def test_a_damaged_or_wrong_profile_is_ignored(tmp_path, profile):
    Image.fromarray(COLOURS).save(tmp_path / "photo.png", icc_profile=profile)
    np.testing.assert_array_equal(load_image(tmp_path / "photo.png"), COLOURS)


@pytest.mark.parametrize(("chunks", "expected"), [
    ([(b"gAMA", struct.pack(">I", 45455))], [0, 55, 128, 255]),
    ([(b"gAMA", struct.pack(">I", 100_000))], [0, 127, 186, 255]),
    ([(b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")], [0, 55, 128, 255]),
    ([(b"gAMA", struct.pack(">I", 0))], [0, 55, 128, 255]),
])
def test_the_gamma_of_a_png(tmp_path, chunks, expected):
    Image.fromarray(np.array([[0, 55, 128, 255]] * 2, np.uint8)).save(tmp_path / "grey.png")
    data = (tmp_path / "grey.png").read_bytes()
    for kind, content in chunks:  # after the header of 33 bytes
        chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        data = data[:33] + chunk + data[33:]
    (tmp_path / "grey.png").write_bytes(data)
    assert first_row(tmp_path / "grey.png") == expected
