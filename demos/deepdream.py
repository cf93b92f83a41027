"""DeepDream, a photo with patterns of a layer: minicnn deepdream photo.jpg [--layer NAME] [--zoom FRAMES]"""

from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from minicnn import images, plot
from minicnn.datasets.drawings import draw_style
from minicnn.datasets.shapes import draw_shape
from minicnn.errors import InputError
from minicnn.receptive_field import receptive_field
from minicnn.visualize.synthesis.deepdream import (
    DEEPDREAM_2015,
    DREAM_PRESETS,
    deep_dream,
    octave_sizes,
    require_octaves,
    resize_maps,
)
from minicnn.visualize.synthesis.deepdream_check import check_deep_dream, check_tiles
from minicnn.visualize.synthesis.dream_steps_check import check_dream_steps, kept_dream_steps
from minicnn.visualize.synthesis.tiles import choose_tile

from . import dream_flight, dream_noise
from .dream_flight import SMOOTH, SOURCE
from .shared import portrait
from .shared.claim import make_folder
from .shared.command import demo_parser, main, natural_int, number, positive_int, positive_number
from .shared.default_network import SHAPES
from .shared.inputs import choose_model, warn_about_memory
from .shared.layers import feature_layers
from .shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from .shared.photo_files import shown_name
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("deepdream",)
GALLERY_SIZE = 256  # long side of the picture in the gallery, pixels
IMAGE = "dream"  # name of the file with the picture alone, in its full resolution
LAYERS = (("fire8/concat", "fire6/concat"), ("relu4_3", "relu3_3"), ("relu4", "relu3"))  # the best-looking, by network


class Dream(NamedTuple):
    """The objective of a dream: a layer, one channel of it, or the features of a guide, uint8 (H, W, 3)."""

    layer: str
    channel: int | None = None
    guide: np.ndarray | None = None

    def objective(self, model):
        """Return the keyword arguments of `deep_dream`."""
        guide = None if self.guide is None else model.preprocessing.to_input(self.guide)
        return {"layer": self.layer, "channel": self.channel, "guide": guide}

    @property
    def caption(self):
        """The objective, for captions."""
        return self.layer + (f", channel {self.channel}" if self.channel is not None else "") + \
            (", guided" if self.guide is not None else "")


class DreamWatch(Watch):
    """A Watch whose progress bar counts pixels, as a step takes much longer in the last octave than in the first."""

    unit = "pixel"

    def __init__(self, title, sizes, num_steps, *arguments, **settings):
        super().__init__(title, len(sizes) * num_steps, *arguments, **settings)
        self.sizes, self.steps_an_octave = sizes, num_steps

    def work(self, step):
        return sum(H * W * min(self.steps_an_octave, max(0, step - octave * self.steps_an_octave))
                   for octave, (H, W) in enumerate(self.sizes))

    def __call__(self, progress, image):
        octave, size = (progress.step - 1) // self.steps_an_octave + 1, f"{image.shape[3]}x{image.shape[2]}"
        self.bar.set_description_str(f"{self.title}, octave {octave} of {len(self.sizes)}, {size} pixels",
                                     refresh=False)
        super().__call__(progress, image)


def pictures(model, name, photo, dreams=None, seed=0, settings=DEEPDREAM_2015, tile="auto", run=None):
    """Technique 20: yield the Picture of a photo, uint8 (H, W, 3), and its dreams; for a single dream, of each octave.

    dreams : [Dream, …]; by default, two layers and a guide. settings : DreamSettings. tile : as for `deep_dream`.
    run : the LongRun that saves the dream, or None.
    """
    dreams = dreams or example_dreams(model)
    x = model.preprocessing.to_input(photo)
    panels, results, checks = [(name, photo, SMOOTH)], [], []
    for dream in dreams:
        image, watch = make_dream(model, x, dream, seed, settings, tile, run)
        results.append(image)
        checks += check_deep_dream(model.net, x, image, watch.history, model.preprocessing, settings,
                                   np.random.default_rng([seed, 1]), **dream.objective(model))
        checks.append(check_dream_steps(model.net, x, image, model.preprocessing, settings, watch.frames,
                                        np.random.default_rng(seed), tile=tile, finished=watch.stopped is None,
                                        **dream.objective(model)))
        if len(dreams) == 1:
            panels += [(f"octave {step // settings.num_steps}: {frame.shape[3]}x{frame.shape[2]}",
                        model.preprocessing.to_image(frame), SMOOTH) for step, frame in watch.frames.items()
                       if step in octave_ends(settings)]
        if dream.guide is not None:
            panels.append(("guide", dream.guide, SMOOTH))
        panels.append((dream.caption, model.preprocessing.to_image(image), SMOOTH))
        if watch.stopped is not None:
            break
    if receptive_field(model.net, dreams[0].layer) is not None:
        checks += check_tiles(model.net, x, dreams[0].layer)
    title = f"{model.name}: DeepDream of {name}, {dreams[0].caption if len(dreams) == 1 else 'several ways'}" + \
        (", stopped" if watch.stopped else "")
    yield Picture(
        NAMES[0], title, plot.show_panels(panels, min(3, len(panels)), title), np.concatenate(results),
        "The photo was changed along the gradient of the layer's squared norm, so that the patterns to which the layer "
        "responds become stronger. The change starts at a small size, so that large patterns come before small ones. "
        "With a guide, only the patterns of another picture become stronger.",
        SOURCE, checks, {"photo": name, "size": list(photo.shape[:2]), "dreams": [dream.caption for dream in dreams],
                         "seed": seed, "tile": tile} | asdict(settings), watch.history)
    if run is not None:
        run.finish(watch.stopped)
    elif watch.stopped is not None:
        raise watch.stopped


def make_dream(model, x, dream, seed, settings, tile, run):
    """Return (the dream, (1, C, H, W) like the photo x; its Watch). Ctrl-C ends it early and keeps the last image."""
    sizes = octave_sizes(x.shape[2], x.shape[3], settings)
    num_steps = settings.num_steps
    watch = DreamWatch(dream.caption, sizes, num_steps, ("objective",), x, run=run,
                       to_image=model.preprocessing.to_image,
                       frames=kept_dream_steps(settings).union(octave_ends(settings)))
    with watch:
        watch.latest, watch.history = deep_dream(
            model.net, x, model.preprocessing, settings, rng=np.random.default_rng(seed), tile=tile, callback=watch,
            checkpoint=watch.checkpoint, **dream.objective(model))
    image = watch.image
    return image if image.shape == x.shape else resize_maps(image, x.shape[2:]), watch


def octave_ends(settings):
    """Return the last step of each octave but the last octave."""
    return range(settings.num_steps, settings.num_octaves * settings.num_steps, settings.num_steps)


def example_dreams(model):
    """Return the Dreams of a late layer, of an earlier one, and of the late one with a guide: a drawn star or strokes.
    """
    late, earlier = default_layers(model.net)
    dreams = [Dream(late), Dream(earlier)]
    if model.net.input_shape[0] == 3:
        side = model.net.input_shape[1]
        guide = draw_style("strokes", np.random.default_rng(0), side)
        if model.name == SHAPES:
            guide, _ = draw_shape(9, np.random.default_rng(3))
        dreams.append(Dream(late, guide=images.resize(guide, side, side)))
    return dreams


def default_layers(net):
    """Return (a late layer, an earlier layer) that make good dreams."""
    maps = {name for name, shape in net.shapes().items() if len(shape) == 4}
    known = [pair for pair in LAYERS if maps.issuperset(pair)]
    ends = feature_layers(net)
    return known[0] if known else (ends[-1], ends[max(0, len(ends) - 2)])


def example_photo():
    """Return (name, uint8 (H, W, 3)) of matplotlib's portrait of Grace Hopper."""
    return portrait.NAME, portrait.portrait()


# ---- the command -----------------------------------------------------------------------------------------------------


def run(arguments):
    """Load the network and the photo, make the dream or the zoom, and save it."""
    model, reason = choose_model(arguments.model, arguments.device)
    print(reason)
    if arguments.from_noise:
        dream_noise.run(model, chosen_dream(model, arguments), arguments)
        return
    if len(arguments.photos) > 1:
        raise InputError(f"one photo at a time, not {len(arguments.photos)}")
    name, photo = (shown_name(arguments.photos[0]), images.load_image(arguments.photos[0])) if arguments.photos \
        else example_photo()
    photo = images.resize_long_side(photo, arguments.size or default_size(model))
    settings = chosen_settings(arguments, DREAM_PRESETS)
    dream = chosen_dream(model, arguments)
    require_octaves(model.net, dream.layer, dream.channel, octave_sizes(photo.shape[0], photo.shape[1], settings))
    tile = choose_tile(model.net, dream.layer, (1, model.net.input_shape[0], *photo.shape[:2])) \
        if arguments.tile is None else arguments.tile or None
    if tile is None:
        warn_about_memory(model.net.trunk(dream.layer), (1, model.net.input_shape[0], *photo.shape[:2]))
    else:
        print(f"the gradient is computed by tiles of {tile} pixels")
    kept = {"photo": digest(photo), "guide": dream.guide is not None and digest(dream.guide), "layer": dream.layer,
            "channel": dream.channel, "tile": tile, "seed": arguments.seed} | asdict(settings)
    if arguments.zoom:
        dream_flight.run(model, name, photo, dream.caption, dream.objective(model), settings, tile, kept, arguments)
        return
    folder = demo_folder(arguments, (*NAMES, IMAGE))
    run = long_run(arguments, folder, NAMES[0], model, kept)
    run_demo(with_image(pictures(model, name, photo, [dream], arguments.seed, settings, tile, run), model, folder),
             model, arguments, NAMES, folder)


def with_image(pictures, model, folder):
    """Yield the pictures, after writing each dream to a file in its full resolution."""
    for picture in pictures:
        make_folder(folder)
        images.save_image(folder / f"{IMAGE}.png", model.preprocessing.to_image(picture.array[-1]), overwrite=True)
        yield picture


def chosen_dream(model, arguments):
    """Return the Dream for the options of the command line."""
    layer = model.net.find(arguments.layer) if arguments.layer else default_layers(model.net)[0]
    guide = None
    if arguments.guide:
        if arguments.channel is not None:
            raise InputError("a dream has either a guide (--guide) or one channel (--channel), not both")
        guide = images.fit(images.load_image(arguments.guide), model.preprocessing.resize, model.preprocessing.crop)
    return Dream(layer, arguments.channel, guide)


def default_size(model):
    """Return the long side in pixels: 512, or three times the network's input if that is small."""
    return 512 if model.net.input_shape[1] > 200 else 3 * model.net.input_shape[1]


def gallery_pictures(model, photo, seed=0):
    """Return the pictures of the gallery: of the whole Photo, small, but with enough pixels for the octaves."""
    large = max(photo.picture.shape) > GALLERY_SIZE
    picture = images.resize_long_side(photo.picture, GALLERY_SIZE if large else 2 * model.net.input_shape[1])
    return pictures(model, photo.name, picture, seed=seed)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("deepdream", __doc__)
    parser.add_argument("--layer", metavar="NAME", help="the layer (default: one that makes good dreams)")
    parser.add_argument("--channel", type=natural_int, metavar="N", help="one channel of the layer (default: all)")
    parser.add_argument("--guide", metavar="PHOTO", help="a picture whose features guide the dream (default: none)")
    parser.add_argument("--from-noise", action="store_true", help="dream without a photo: the waves of a Fourier "
                        "spectrum start as noise, and the presets and options of octaves do not count")
    parser.add_argument("--size", type=positive_int, metavar="PIXELS", help="long side of the result (default: 512; "
                        "for a small network, three times its input; from noise, the network's input)")
    parser.add_argument("--tile", type=natural_int, metavar="PIXELS", help="side of the tiles by which the gradient is "
                        "computed, 0 for no tiles (default: tiles above 1,024 pixels, or if memory is short); tiles "
                        "change the gradient only by rounding")
    add_presets(parser, DREAM_PRESETS, "deepdream-2015")
    parser.add_argument("--octaves", dest="num_octaves", type=positive_int, metavar="N",
                        help="number of picture sizes (default: the preset's)")
    parser.add_argument("--octave-scale", type=number, metavar="FACTOR", help="factor from one size to the next "
                        "(default: the preset's)")
    parser.add_argument("--steps", dest="num_steps", type=positive_int, metavar="N",
                        help="number of steps in each octave (default: the preset's)")
    parser.add_argument("--step-size", type=positive_number, metavar="LEVELS",
                        help="mean change of a pixel in a step, in grey levels of 255 (default: the preset's)")
    parser.add_argument("--max-jitter", type=natural_int, metavar="PIXELS", help="largest shift of the image in a step "
                        "(default: the preset's)")
    parser.add_argument("--zoom", type=positive_int, metavar="FRAMES", help="zoom into the dream: write this number of "
                        "frames into frames/, and an animation (default: one picture)")
    parser.add_argument("--zoom-by", type=number, default=0.05, metavar="SHARE",
                        help="share of the sides that each frame cuts off (default: 0.05)")
    parser.add_argument("--animation", default="gif", metavar="FORMAT",
                        help="format of the animation, gif or webp (default: gif)")
    add_long_run_options(parser, every=10)
    return parser


if __name__ == "__main__":
    main(run, parser())
