"""Each kind of image file is read as uint8 (H, W, 3), or refused in one line with the file and the way out."""

import os
import struct
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn import images
from minicnn.errors import InputError
from minicnn.images.reading import TooManyPixelsError

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
CORNERS = np.array([[RED, BLACK, GREEN], [BLUE, BLACK, WHITE]], np.uint8)  # (2, 3, 3), no symmetry


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mode_of(path):
    with Image.open(path) as image:
        return image.mode


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def error_line(function, *arguments, **keywords):
    """Return the message of the InputError that the call raises. It must be one line."""
    with pytest.raises(InputError) as refusal:
        function(*arguments, **keywords)
    line = str(refusal.value)
    assert "\n" not in line
    return line


@contextmanager
def no_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in caught] == []


def load_error(path, **keywords):
    """Return the error line of load_image for `path`, without the path. There must be no warning."""
    with no_warning():
        line = error_line(images.load_image, path, **keywords)
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def write_png(path, width, height, depth, color_type, rows, transparency=b""):
    """Write a PNG that Pillow cannot write. rows : the pixels, with a filter byte before each row."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparency), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        if content or kind == b"IEND":
            checksum = zlib.crc32(kind + content)
            data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    path.write_bytes(data)


# ---- reading: one test for each kind of file


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_rgb(tmp_path, suffix):
    pixels = noise(5, 7)
    path = tmp_path / f"image{suffix}"
    Image.fromarray(pixels).save(path)
    loaded = images.load_image(str(path))
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, pixels)
    loaded[0] = 0  # the array is writable, not a view of Pillow's memory


def test_jpeg(tmp_path):
    pixels = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.jpg", quality=95)
    loaded = images.load_image(tmp_path / "image.jpg")
    assert loaded.shape == (16, 24, 3)
    assert np.abs(loaded.astype(int) - pixels).max() <= 3


def test_grey(tmp_path):
    grey = noise(4, 5)[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(images.load_image(tmp_path / "grey.png"), np.stack([grey] * 3, axis=2))


def test_one_bit(tmp_path):
    Image.fromarray(np.array([[True, False, True], [False, False, True]])).save(tmp_path / "bits.png")
    assert mode_of(tmp_path / "bits.png") == "1"
    assert images.load_image(tmp_path / "bits.png").tolist() == [[[255] * 3, [0] * 3, [255] * 3],
                                                                [[0] * 3, [0] * 3, [255] * 3]]


def test_palette(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], np.uint8), mode="P")
    image.putpalette(RED + GREEN + BLUE)
    image.save(tmp_path / "palette.png")
    assert mode_of(tmp_path / "palette.png") == "P"
    assert images.load_image(tmp_path / "palette.png").tolist() == [list(map(list, (RED, GREEN, BLUE))),
                                                                   list(map(list, (BLUE, GREEN, RED)))]


@pytest.mark.parametrize(("transparency", "expected"), [
    (1, [RED, WHITE, BLUE]),  # one entry is transparent, as in GIF
    (bytes([255, 128, 0]), [RED, (127, 255, 127), WHITE]),  # an alpha for each entry, only in PNG
])
def test_palette_with_transparency(tmp_path, transparency, expected):
    image = Image.fromarray(np.array([[0, 1, 2]] * 2, np.uint8), mode="P")
    image.putpalette(RED + GREEN + BLUE)
    image.save(tmp_path / "palette.png", transparency=transparency)
    assert mode_of(tmp_path / "palette.png") == "P"
    np.testing.assert_array_equal(images.load_image(tmp_path / "palette.png"), [expected] * 2)


def test_palette_of_colors_with_alpha(tmp_path, monkeypatch):
    # Targa files have such palettes, but some versions of Pillow cannot open them
    image = Image.fromarray(np.array([[0, 1, 0]] * 2, np.uint8), mode="P")
    image.putpalette([*RED, 255, *BLACK, 0], "RGBA")
    monkeypatch.setattr(Image, "open", lambda path: image)
    (tmp_path / "palette.tga").touch()
    np.testing.assert_array_equal(images.load_image(tmp_path / "palette.tga"), [[RED, WHITE, RED]] * 2)


def test_alpha_is_blended_with_white(tmp_path):
    pixels = np.array([[(*RED, 255), (*BLUE, 0), (0, 0, 0, 128)]] * 2, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    expected = [[RED, WHITE, (127, 127, 127)]] * 2
    np.testing.assert_array_equal(images.load_image(tmp_path / "alpha.png"), expected)


def test_grey_alpha_is_blended_with_white(tmp_path):
    pixels = np.array([[(10, 255), (10, 0)]] * 2, np.uint8)
    Image.fromarray(pixels, mode="LA").save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(images.load_image(tmp_path / "alpha.png"), [[(10, 10, 10), WHITE]] * 2)


def test_transparent_color_is_white(tmp_path):
    Image.fromarray(CORNERS).save(tmp_path / "key.png", transparency=BLUE)
    assert mode_of(tmp_path / "key.png") == "RGB"
    expected = CORNERS.copy()
    expected[1, 0] = WHITE
    np.testing.assert_array_equal(images.load_image(tmp_path / "key.png"), expected)


def test_cmyk(tmp_path):
    inks = np.array([[(0, 255, 255, 0), (255, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0)]] * 2, np.uint8)
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "inks.tif")
    np.testing.assert_array_equal(images.load_image(tmp_path / "inks.tif"), [[RED, GREEN, BLACK, WHITE]] * 2)


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    inks = np.full((16, 16, 4), (0, 255, 255, 0), np.uint8)
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "inks.jpg", quality=95)
    assert mode_of(tmp_path / "inks.jpg") == "CMYK"
    assert np.abs(images.load_image(tmp_path / "inks.jpg").astype(int) - RED).max() <= 5


SIXTEEN_BITS = np.array([[0, 128, 129, 255, 257, 32768, 65406, 65407, 65535]] * 2, np.uint16)
EIGHT_BITS = [0, 0, 1, 1, 1, 128, 254, 255, 255]  # value * 255 / 65535, rounded


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    path = tmp_path / f"grey16{suffix}"
    if suffix == ".pgm":
        path.write_bytes(b"P5 9 2 65535\n" + SIXTEEN_BITS.astype(">u2").tobytes())
    else:
        Image.fromarray(SIXTEEN_BITS).save(path)
    assert mode_of(path) in ("I;16", "I")
    assert images.load_image(path).tolist() == [[[value] * 3 for value in EIGHT_BITS]] * 2


def test_16_bit_big_endian_tiff(tmp_path):
    pixels = Image.fromarray(SIXTEEN_BITS.astype(">u2"))
    pixels.save(tmp_path / "grey16.tif")
    assert mode_of(tmp_path / "grey16.tif") == "I;16B"
    assert images.load_image(tmp_path / "grey16.tif")[0, :, 0].tolist() == EIGHT_BITS


def test_16_bit_transparent_grey_is_white(tmp_path):
    rows = 2 * (b"\0" + struct.pack(">HHH", 0, 257, 514))
    write_png(tmp_path / "key16.png", 3, 2, 16, 0, rows, transparency=struct.pack(">H", 257))
    assert images.load_image(tmp_path / "key16.png")[0, :, 0].tolist() == [0, 255, 2]


def test_16_bit_color_png(tmp_path):
    rows = 2 * (b"\0" + struct.pack(">6H", 0, 257 * 7, 65535, 257 * 200, 257, 0))
    write_png(tmp_path / "color16.png", 2, 2, 16, 2, rows)
    assert images.load_image(tmp_path / "color16.png").tolist() == [[[0, 7, 255], [200, 1, 0]]] * 2


def test_32_bit_integers_within_16_bits(tmp_path):
    Image.fromarray(SIXTEEN_BITS.astype(np.int32)).save(tmp_path / "grey32.tif")
    assert mode_of(tmp_path / "grey32.tif") == "I"
    assert images.load_image(tmp_path / "grey32.tif")[0, :, 0].tolist() == EIGHT_BITS


@pytest.mark.parametrize("values", [np.array([[0, 70000]] * 2, np.int32), np.array([[-1, 5]] * 2, np.int32),
                                    np.array([[0, 1]] * 2, np.float32)])
def test_pixels_without_a_known_range_are_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "values.tif")
    assert "no fixed range; convert it to an 8-bit PNG" in load_error(tmp_path / "values.tif")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tif", ".webp"])
def test_the_first_frame_of_an_animation_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 6), color) for color in (RED, GREEN, BLUE)]
    path = tmp_path / f"animation{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    with Image.open(path) as animation:
        assert animation.n_frames == 3
    np.testing.assert_array_equal(images.load_image(path), np.full((6, 8, 3), RED))


# EXIF orientation -> the function from the stored pixels to the upright image.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(CORNERS).save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(images.load_image(tmp_path / "photo.png"), UPRIGHT[orientation](CORNERS))


def test_exif_orientation_of_a_jpeg(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored image must be turned clockwise: its left edge is the top
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:, :16] = 255
    Image.fromarray(stored).save(tmp_path / "photo.jpg", exif=exif)
    upright = images.load_image(tmp_path / "photo.jpg")
    assert upright.shape == (32, 16, 3)
    assert upright[:12].min() > 240 and upright[20:].max() < 15


def test_exif_orientation_of_16_bits(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(SIXTEEN_BITS).save(tmp_path / "scan.png", exif=exif)
    assert images.load_image(tmp_path / "scan.png")[:, 0, 0].tolist() == EIGHT_BITS[::-1]


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage that is no TIFF header",
                                  b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1"])  # announces 65535 tags, then ends
def test_damaged_exif_is_ignored(tmp_path, exif):
    Image.fromarray(CORNERS).save(tmp_path / "photo.png", exif=exif)
    with no_warning():
        loaded = images.load_image(tmp_path / "photo.png")
    np.testing.assert_array_equal(loaded, CORNERS)


# ---- reading: refused files


def test_missing_file_suggests_near_names(tmp_path):
    for name in ("TUBINGEN.JPG", "tubingen2.png", "notes.txt"):
        (tmp_path / name).touch()
    expected = "no such file; did you mean tubingen2.png or TUBINGEN.JPG?"
    assert load_error(tmp_path / "tubingen.png") == expected
    assert load_error(tmp_path / "Tubingen.PNG") == expected


def test_missing_file_without_near_names(tmp_path):
    assert load_error(tmp_path / "tubingen.jpg") == "no such file; check the path"


def test_missing_folder(tmp_path):
    assert f"no folder {tmp_path / 'photos'}" in load_error(tmp_path / "photos" / "cat.jpg")


def test_missing_file_by_a_bare_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.jpg").touch()
    assert "did you mean cat.jpg?" in load_error("cats.jpg")


def test_folder(tmp_path):
    assert load_error(tmp_path) == "this is a folder; name an image file in it"


def test_name_too_long(tmp_path):
    line = error_line(images.load_image, tmp_path / ("a" * 5000))
    assert "too long" in line and len(line) < 500


def test_not_an_image(tmp_path):
    (tmp_path / "notes.jpg").write_text("not an image")
    line = load_error(tmp_path / "notes.jpg")
    assert "not an image" in line and "convert it to PNG or JPEG" in line


def test_empty_file(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "empty (0 bytes)" in load_error(tmp_path / "empty.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_truncated_file(tmp_path, suffix, part):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(noise(40, 40)).save(path)
    complete = path.read_bytes()
    images.load_image(path)
    path.write_bytes(complete[:int(len(complete) * part)])
    assert "get the file again" in load_error(path)


@pytest.mark.parametrize("problem", [ZeroDivisionError(), SyntaxError("two\nlines")])
def test_each_failure_of_a_decoder_is_one_line(tmp_path, monkeypatch, problem):
    def fail(*_):
        raise problem
    Image.fromarray(CORNERS).save(tmp_path / "image.png")
    monkeypatch.setattr(Image.Image, "load", fail)
    line = load_error(tmp_path / "image.png")
    assert line.startswith("cannot be decoded (") and ("two lines" in line or "ZeroDivisionError" in line)


def test_ctrl_c_while_reading_is_not_reported_as_damage(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt
    Image.fromarray(CORNERS).save(tmp_path / "image.bmp")
    monkeypatch.setattr(Image, "open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        images.load_image(tmp_path / "image.bmp")


@pytest.mark.parametrize(("width", "height"), [
    (9_000, 9_900),  # above our limit, below Pillow's
    (9_400, 9_600),  # Pillow warns
    (30_000, 30_000),  # Pillow raises
])
def test_decompression_bomb_is_refused_by_its_header(tmp_path, width, height):
    write_png(tmp_path / "bomb.png", width, height, 8, 2, b"\0")  # decoding would fail with "truncated"
    line = load_error(tmp_path / "bomb.png")
    assert "too large" in line and "89,000,000" in line


def test_an_image_at_the_limit_is_read(tmp_path, monkeypatch):
    Image.fromarray(noise(5, 7)).save(tmp_path / "image.png")
    monkeypatch.setattr(images.geometry, "MAX_PIXELS", 35)
    assert images.load_image(tmp_path / "image.png").shape == (5, 7, 3)
    monkeypatch.setattr(images.geometry, "MAX_PIXELS", 34)
    assert load_error(tmp_path / "image.png") == "7x5 pixels is too large; scale it to at most 34 pixels"


def test_a_caller_can_lower_the_limit_and_knows_its_error(tmp_path):
    Image.fromarray(noise(5, 7)).save(tmp_path / "image.png")
    assert images.load_image(tmp_path / "image.png", max_pixels=35).shape == (5, 7, 3)
    with pytest.raises(TooManyPixelsError, match="at most 34 pixels"):
        images.load_image(tmp_path / "image.png", max_pixels=34)
    write_png(tmp_path / "bomb.png", 30_000, 30_000, 8, 2, b"\0")
    with pytest.raises(TooManyPixelsError, match="at most 40 pixels"):
        images.load_image(tmp_path / "bomb.png", max_pixels=40)


def test_too_small(tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    assert load_error(tmp_path / "dot.png") == "1x1 pixels is too small; every side needs at least 2"
    assert images.load_image(tmp_path / "dot.png", min_side=1).shape == (1, 1, 3)
    Image.new("RGB", (40, 31)).save(tmp_path / "small.png")
    assert "at least 32" in load_error(tmp_path / "small.png", min_side=32)
    assert images.load_image(tmp_path / "small.png", min_side=31).shape == (31, 40, 3)


def test_permission_denied(tmp_path, monkeypatch):
    # `open` is replaced because root may read every file
    def deny(path, *_):
        raise PermissionError(13, "Permission denied", str(path))
    Image.fromarray(CORNERS).save(tmp_path / "image.png")
    monkeypatch.setattr("builtins.open", deny)
    line = error_line(images.load_image, tmp_path / "image.png")
    assert line.startswith(f"{tmp_path / 'image.png'}: permission denied; ")


# ---- resizing and cropping


@pytest.mark.parametrize(("height", "width", "size", "short", "long"), [
    (10, 20, 5, (5, 10), (2, 5)),
    (20, 10, 5, (10, 5), (5, 2)),
    (30, 47, 192, (192, 300), (122, 192)),  # 300.8 and 122.55 are rounded down
    (47, 47, 192, (192, 192), (192, 192)),  # 47 * (192 / 47) is 191.99999999999997 in floats
    (2, 90, 9, (9, 405), (1, 9)),  # 0.2 rounds up to 1
])
def test_resized_shapes(height, width, size, short, long):
    image = noise(height, width)
    assert images.resize_short_side(image, size).shape == (*short, 3)
    assert images.resize_long_side(image, size).shape == (*long, 3)


def test_resize_takes_height_before_width():
    image = np.zeros((8, 12, 3), np.uint8)
    image[:4] = 255
    small = images.resize(image, 2, 6)
    assert small.shape == (2, 6, 3) and small.dtype == np.uint8
    assert small[0].min() > 200 and small[1].max() < 55


def test_resize_to_the_same_size_changes_nothing():
    image = noise(9, 13)
    np.testing.assert_array_equal(images.resize(image, 9, 13), image)


def test_resize_is_antialiased():
    checkerboard = np.indices((128, 128)).sum(axis=0) % 2 * 255
    image = np.repeat(checkerboard[:, :, None], 3, axis=2).astype(np.uint8)
    small = images.resize(image, 15, 15)
    assert np.abs(small.astype(int) - 127).max() <= 6  # without antialiasing 0 and 255 would remain


def test_enlarging_is_bilinear():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 200
    assert images.resize(image, 2, 4)[0, :, 0].tolist() == [0, 50, 150, 200]


def test_resize_does_not_change_its_argument():
    image = noise(6, 6)
    before = image.copy()
    images.resize(image, 3, 3)[:] = 0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("function", [images.resize_short_side, images.resize_long_side])
@pytest.mark.parametrize("size", [0, -3])
def test_resize_to_zero_pixels_is_refused(function, size):
    assert str(size) in error_line(function, noise(4, 6), size)


def test_resize_to_zero_height_is_refused():
    assert "5x0" in error_line(images.resize, noise(4, 6), 0, 5)


def test_resize_of_a_long_thin_image_is_refused():
    assert "the limit is 89,000,000" in error_line(images.resize_short_side, noise(1, 20_000), 224)


@pytest.mark.parametrize(("height", "width", "size", "top", "left"), [
    (6, 10, 4, 1, 3), (10, 6, 4, 3, 1), (7, 9, 4, 1, 2), (5, 5, 5, 0, 0), (5, 8, 5, 0, 1)])
def test_center_crop(height, width, size, top, left):
    image = noise(height, width)
    np.testing.assert_array_equal(images.center_crop(image, size), image[top:top + size, left:left + size])


@pytest.mark.parametrize(("height", "width", "size"), [(5, 9, 6), (9, 5, 6), (9, 9, 0)])
def test_impossible_crop_is_refused(height, width, size):
    line = error_line(images.center_crop, noise(height, width), size)
    assert f"{size}x{size}" in line and f"{width}x{height}" in line


def test_fit_is_resize_then_crop():
    image = noise(50, 80)
    expected = images.resize(image, 32, 51)[4:28, 13:37]
    np.testing.assert_array_equal(images.fit(image, resize=32, crop=24), expected)


def test_fit_with_a_crop_larger_than_the_resized_image_is_refused():
    assert "33x33" in error_line(images.fit, noise(50, 80), resize=32, crop=33)


@pytest.mark.parametrize(("image", "described"), [
    (np.zeros((4, 4, 3)), "float64 (4, 4, 3)"),
    (np.zeros((4, 4), np.uint8), "uint8 (4, 4)"),
    (np.zeros((3, 4, 4), np.uint8), "uint8 (3, 4, 4)"),
    (np.zeros((0, 4, 3), np.uint8), "uint8 (0, 4, 3)"),
    ([[[0, 0, 0]]], "list"),
])
def test_other_arrays_are_refused(image, described):
    for function in (images.resize_short_side, images.resize_long_side, images.center_crop):
        assert error_line(function, image, 2).endswith(f"got {described}")
    assert error_line(images.resize, image, 2, 2).endswith(f"got {described}")


@pytest.mark.parametrize(("name", "height", "width"), [("tubingen", 192, 256), ("starry_night", 192, 242)])
def test_sizes_of_cs231n(name, height, width):
    if "MINICNN_TEST_DATA" not in os.environ:
        pytest.skip("MINICNN_TEST_DATA does not name the folder of test data")
    path = Path(os.environ["MINICNN_TEST_DATA"]) / "cs231n" / f"{name}.jpg"
    assert images.resize_short_side(images.load_image(path), 192).shape == (height, width, 3)


# ---- writing


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".tiff"])
def test_lossless_round_trip(tmp_path, suffix):
    image = noise(9, 14)
    images.save_image(tmp_path / f"image{suffix}", image)
    np.testing.assert_array_equal(images.load_image(tmp_path / f"image{suffix}"), image)
    assert names(tmp_path) == [f"image{suffix}"]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_round_trip(tmp_path, suffix):
    y, x = np.indices((32, 48))
    image = np.stack([y * 4, x * 4, y + x], axis=2).astype(np.uint8)
    images.save_image(tmp_path / f"image{suffix}", image)
    loaded = images.load_image(tmp_path / f"image{suffix}")
    assert np.abs(loaded.astype(int) - image).mean() < 1  # Pillow's default qualities leave 1.2 and 1.7


def test_suffix_names_the_format(tmp_path):
    formats = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}
    for suffix, format_name in formats.items():
        images.save_image(tmp_path / f"image{suffix}", CORNERS)
        with Image.open(tmp_path / f"image{suffix}") as image:
            assert image.format == format_name


def test_grey_round_trip(tmp_path):
    grey = noise(5, 6)[:, :, 1]
    images.save_image(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(images.load_image(tmp_path / "grey.png"), np.stack([grey] * 3, axis=2))
    assert mode_of(tmp_path / "grey.png") == "L"


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".GIF"])
def test_an_animation_has_its_frames_and_their_time(tmp_path, suffix):
    frames = [np.full((12, 20, 3), level, np.uint8) for level in (20, 120, 220)]
    images.save_animation(tmp_path / f"flight{suffix}", iter(frames), milliseconds=120)
    with Image.open(tmp_path / f"flight{suffix}") as animation:
        assert animation.n_frames == 3 and animation.size == (20, 12) and animation.info["loop"] == 0
        for number, frame in enumerate(frames):
            animation.seek(number)
            shown = np.asarray(animation.convert("RGB")).astype(int)
            assert animation.info["duration"] == 120 and np.abs(shown - frame).max() <= 4
    assert names(tmp_path) == [f"flight{suffix}"]


def test_invalid_animations_are_refused(tmp_path):
    path = tmp_path / "flight.gif"
    assert "at least one frame" in error_line(images.save_animation, path, [])
    for frames in ([CORNERS / 255], [CORNERS, CORNERS / 255], [[1, 2]]):
        assert f"{path}: expected uint8 of shape (H, W, 3)" in error_line(images.save_animation, path, frames)
    assert names(tmp_path) == []
    assert "use one of .gif, .webp" in error_line(images.save_animation, tmp_path / "flight.mp4", [CORNERS])
    path.write_text("precious")
    assert "already exists" in error_line(images.save_animation, path, [CORNERS])
    assert path.read_text() == "precious" and names(tmp_path) == ["flight.gif"]


def test_view_with_strides_round_trip(tmp_path):
    image = noise(10, 12)[::2, ::-1]
    images.save_image(tmp_path / "image.png", image)
    np.testing.assert_array_equal(images.load_image(tmp_path / "image.png"), image)


def test_an_existing_file_is_kept_by_default(tmp_path):
    path = tmp_path / "image.png"
    images.save_image(path, CORNERS)
    line = error_line(images.save_image, path, 255 - CORNERS)
    assert line.startswith(f"{path}: already exists; ")
    np.testing.assert_array_equal(images.load_image(path), CORNERS)
    images.save_image(path, 255 - CORNERS, overwrite=True)
    np.testing.assert_array_equal(images.load_image(path), 255 - CORNERS)


def test_saving_into_a_missing_folder_is_refused(tmp_path):
    path = tmp_path / "missing" / "image.png"
    assert error_line(images.save_image, path, CORNERS).startswith(f"{path}: there is no folder ")


@pytest.mark.parametrize("name", ["image.xyz", "image", "image.gif", "image.npy"])
def test_unknown_suffix_is_refused(tmp_path, name):
    line = error_line(images.save_image, tmp_path / name, CORNERS)
    assert line.startswith(f"{tmp_path / name}: unknown image format ") and ".png" in line
    assert names(tmp_path) == []


@pytest.mark.parametrize(("image", "described"), [
    (np.zeros((4, 4, 3)), "float64 (4, 4, 3)"),
    (np.zeros((4, 4, 4), np.uint8), "uint8 (4, 4, 4)"),
    (np.zeros((1, 4, 4, 3), np.uint8), "uint8 (1, 4, 4, 3)"),
    (np.zeros((0, 4), np.uint8), "uint8 (0, 4)"),
    ("image", "str"),
])
def test_saving_other_arrays_is_refused(tmp_path, image, described):
    line = error_line(images.save_image, tmp_path / "image.png", image)
    assert line.startswith(f"{tmp_path / 'image.png'}: ") and line.endswith(f"got {described}")
    assert names(tmp_path) == []


def test_an_image_too_large_for_the_format_is_refused(tmp_path):
    path = tmp_path / "wide.webp"  # WebP allows 16383 pixels per side
    assert error_line(images.save_image, path, noise(1, 16_384)).startswith(f"{path}: cannot be written (")
    assert names(tmp_path) == []


@pytest.mark.parametrize(("problem", "raised"), [(OSError(28, "No space left on device"), InputError),
                                                 (KeyboardInterrupt(), KeyboardInterrupt)])
def test_a_failed_save_keeps_the_old_file_and_leaves_no_temporary_file(tmp_path, monkeypatch, problem, raised):
    def write_half(image, path, **_):
        path.write_bytes(b"half")
        raise problem
    images.save_image(tmp_path / "image.png", CORNERS)
    monkeypatch.setattr(Image.Image, "save", write_half)
    with pytest.raises(raised):
        images.save_image(tmp_path / "image.png", 255 - CORNERS, overwrite=True)
    assert names(tmp_path) == ["image.png"]
    np.testing.assert_array_equal(images.load_image(tmp_path / "image.png"), CORNERS)
