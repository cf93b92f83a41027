"""Ten pictures with flat areas, as in film frames, screenshots and drawings: their max pools have many ties."""

import numpy as np
from PIL import Image, ImageDraw

BLACK, WHITE, GREY = (0, 0, 0), (255, 255, 255), (222, 224, 228)
BLUE, RED, GREEN, YELLOW = (45, 110, 190), (200, 50, 45), (70, 150, 70), (250, 205, 70)


def flat_pictures(size=224):
    """Return {name: picture}, ten uint8 pictures of shape (size, size, 3). They are the same in every run."""
    rng = np.random.default_rng(0)
    return {name: np.asarray(draw(rng, size).convert("RGB")) for name, draw in DRAWINGS.items()}


def texture(rng, size):
    """A picture without flat areas, like a photo: smooth random colours of several scales, and noise."""
    values = np.full((size, size, 3), 128.0)
    for cells in (3, 6, 12, 24, 48):
        coarse = Image.fromarray(rng.uniform(0, 255, (cells, cells, 3)).astype(np.uint8))
        values += (np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)) - 128.0) * 2 / cells
    return Image.fromarray(np.clip(values + rng.normal(0, 4, values.shape), 0, 255).astype(np.uint8))


def canvas(size, colour):
    """An empty picture of one colour, and the pen that draws on it in units of 1 / 100 of the side."""
    image = Image.new("RGB", (size, size), colour)
    return image, Pen(image)


class Pen:
    """Draws on a picture. Coordinates are x, y, from 0 to 100. Edges are not smoothed."""

    def __init__(self, image):
        self.draw, self.unit = ImageDraw.Draw(image), image.width / 100

    def box(self, left, top, right, bottom, colour):
        """Fill a rectangle."""
        self.draw.rectangle([round(self.unit * edge) for edge in (left, top, right, bottom)], colour)

    def ellipse(self, left, top, right, bottom, colour, outline=None):
        """Fill an ellipse; the outline is 1 unit wide."""
        self.draw.ellipse([round(self.unit * edge) for edge in (left, top, right, bottom)], colour, outline,
                          round(self.unit))

    def polygon(self, points, colour, outline=None):
        """Fill a polygon; the outline is 1 unit wide."""
        self.draw.polygon([(round(self.unit * x), round(self.unit * y)) for x, y in points], colour, outline,
                          round(self.unit))

    def line(self, points, colour, width=1):
        """Draw lines from point to point."""
        self.draw.line([(round(self.unit * x), round(self.unit * y)) for x, y in points], colour,
                       max(1, round(self.unit * width)))


def letterbox(rng, size):
    """A film frame with black bars above and below."""
    image = texture(rng, size)
    pen = Pen(image)
    pen.box(0, 0, 100, 14, BLACK)
    pen.box(0, 86, 100, 100, BLACK)
    return image


def pillarbox(rng, size):
    """An upright photo with a white bar on the left and a black one on the right."""
    image = texture(rng, size)
    pen = Pen(image)
    pen.box(0, 0, 23, 100, WHITE)
    pen.box(77, 0, 100, 100, BLACK)
    return image


def product(rng, size):
    """A textured ball on white, as in a shop."""
    image, _ = canvas(size, WHITE)
    mask = Image.new("L", (size, size), 0)
    Pen(mask).ellipse(28, 25, 75, 78, 255)
    image.paste(texture(rng, size), (0, 0), mask)
    return image


def screenshot(rng, size):
    """A window with a title bar, a list, buttons and lines of text."""
    image, pen = canvas(size, GREY)
    pen.box(0, 0, 100, 7, BLUE)
    pen.box(0, 7, 24, 100, (245, 245, 245))
    pen.box(28, 12, 96, 86, WHITE)
    pen.box(78, 89, 95, 96, GREEN)
    for y in range(11, 70, 6):
        pen.box(3, y, rng.uniform(10, 21), y + 2, (90, 90, 90))
    for y in range(16, 82, 4):
        x = 31.0
        while x < rng.uniform(70, 92):
            width = rng.uniform(1, 6)
            pen.box(x, y, x + width, y + 1.4, (30, 30, 30))
            x += width + 1.5
    return image


def cartoon(rng, size):
    """A house under a sun, in flat colours with black outlines."""
    image, pen = canvas(size, (150, 205, 245))
    pen.ellipse(70, 8, 90, 28, YELLOW, BLACK)
    pen.polygon([(-5, 75), (30, 62), (60, 72), (105, 60), (105, 105), (-5, 105)], GREEN, BLACK)
    pen.polygon([(25, 45), (65, 45), (65, 80), (25, 80)], (240, 220, 180), BLACK)
    pen.polygon([(20, 46), (45, 25), (70, 46)], RED, BLACK)
    pen.polygon([(40, 60), (50, 60), (50, 80), (40, 80)], (120, 75, 40), BLACK)
    return image


def checkerboard(rng, size):
    """Eleven by eleven fields, whose edges fall on even and odd pixels."""
    image, pen = canvas(size, WHITE)
    side = 100 / 11
    for i in range(11):
        for j in range(i % 2, 11, 2):
            pen.box(j * side, i * side, (j + 1) * side, (i + 1) * side, BLACK)
    return image


def sky(rng, size):
    """A sky that brightens from above, a flat sea and a flat boat."""
    shades = np.linspace((60, 110, 190), (225, 235, 250), size)
    image = Image.fromarray(np.repeat(shades[:, None], size, axis=1).astype(np.uint8))
    pen = Pen(image)
    pen.box(0, 68, 100, 100, (30, 70, 110))
    pen.polygon([(35, 64), (68, 64), (62, 73), (41, 73)], RED)
    pen.polygon([(51, 30), (51, 61), (68, 61)], WHITE)
    return image


def line_drawing(rng, size):
    """Thin black curves on white."""
    image, pen = canvas(size, WHITE)
    for _ in range(6):
        x, phase, height = np.linspace(5, 95, 60), rng.uniform(0, 6), rng.uniform(5, 30)
        y = rng.uniform(25, 75) + height * np.sin(x / rng.uniform(6, 20) + phase)
        pen.line(np.stack([x, y], axis=1).tolist(), BLACK, 0.9)
    return image


def chart(rng, size):
    """Bars of a diagram between two axes."""
    image, pen = canvas(size, (250, 250, 245))
    for i, height in enumerate(rng.uniform(15, 75, 7)):
        pen.box(15 + 11 * i, 88 - height, 22 + 11 * i, 88, (BLUE, RED, GREEN)[i % 3])
    pen.line([(10, 8), (10, 88), (95, 88)], BLACK)
    return image


def mosaic(rng, size):
    """A texture in squares of one colour each, as where a face was made unrecognizable."""
    return texture(rng, size).resize((16, 16), Image.Resampling.BOX).resize((size, size), Image.Resampling.NEAREST)


DRAWINGS = {draw.__name__: draw for draw in (
    letterbox, pillarbox, product, screenshot, cartoon, checkerboard, sky, line_drawing, chart, mosaic)}
