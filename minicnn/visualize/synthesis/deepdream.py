"""DeepDream: a photo changed so that a layer of the network becomes more active, from small scales to large.

Mordvintsev, Olah and Tyka 2015, "Inceptionism", and the notebook they published, google/deepdream dream.ipynb.
"""

from functools import partial

from minicnn.backend import get_ndimage, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import GuideMatch, LayerNorm2, loss_and_gradient
from minicnn.optimize import Clamp, DivergedError, Jitter, NormalizedStep, optimize_image
from minicnn.visualize.entry import enter
from minicnn.visualize.synthesis.tiles import choose_tile, tiled_loss_and_gradient

# What deep_dream takes, by the name of who published it.
DREAM_PRESETS = {
    "deepdream-2015": {"num_octaves": 4, "octave_scale": 1.4, "num_steps": 10, "step_size": 1.5, "max_jitter": 32},
}


def deep_dream(net, x, preprocessing, *, rng, layer, channel=None, guide=None, num_octaves=4, octave_scale=1.4,
               num_steps=10, step_size=1.5, max_jitter=32, tile="auto", callback=None, checkpoint=None):
    """The photo x, (1, C, H, W), dreamt on: the image, of the same shape, on the host, and the history of all steps.

    Gradient ascent on half the squared norm of `layer`, or of one `channel` of it, or, with a `guide`, another photo
    (1, C, h, w), on the dot product of each position's vector with the best matching one of the guide. It begins on
    the smallest of `num_octaves` sizes, each `octave_scale` times the one before; what it added there is enlarged and
    added to the photo of the next size. Each of `num_steps` steps is made on the image rolled by up to `max_jitter`
    pixels, is on average `step_size` grey levels (of 255) a pixel, and ends in colours that exist.
    rng : numpy.random.Generator, for the jitter. tile : the side in pixels of the pieces that the gradient is computed
    by, None for all at once, "auto" for what `choose_tile` says. callback : called with (Progress, image) after each
    step; steps count on through the octaves, images are of their sizes; a true answer ends the octave. checkpoint : a
    Checkpoint to go on from later.
    Raises InputError where the smallest octave does not reach the layer.
    """
    if tile not in ("auto", None) and tile < 1:
        raise InputError(f"tiles have sides of 1 pixel or more, not {tile}")
    x = enter(net, x)
    layer = net.find(layer)
    sizes = octave_sizes(*x.shape[2:], num_octaves, octave_scale)
    check_reach(net, layer, channel, sizes)
    terms = [(-1.0, objective(net, layer, channel, guide))]
    low, high = (to_device(bound, net.device).astype(x.dtype, copy=False) for bound in preprocessing.valid_range())
    photos = [x]
    for size in reversed(sizes[:-1]):
        photos.insert(0, resize_maps(photos[0], size))
    image, history = photos[0], []
    for octave, photo in enumerate(photos):
        if octave:
            image = photo + resize_maps(image - photos[octave - 1], photo.shape[2:])
        side = choose_tile(net, layer, photo.shape) if tile == "auto" else tile
        try:
            image, steps = optimize_image(
                net, image, terms,
                update=NormalizedStep(step_in_input_units(step_size, preprocessing), "mean_abs"),
                num_steps=num_steps,
                transforms=(Jitter(max_jitter),),
                project=(Clamp(low, high),),
                callback=callback and partial(call_with_all_steps, callback, octave * num_steps),
                rng=rng,
                checkpoint=checkpoint and checkpoint.part(octave),
                compute=partial(tiled_loss_and_gradient, tile=side) if side else loss_and_gradient)
        except DivergedError as problem:
            raise DivergedError(f"octave {octave + 1} of {len(photos)}: {problem}", octave * num_steps + problem.step,
                                problem.image, history + counted_on(problem.history, octave * num_steps)) from None
        history += counted_on(steps, octave * num_steps)
    return to_host(image), history


def counted_on(history, before):
    """The steps of one octave, before which there were so many."""
    return [progress._replace(step=before + progress.step) for progress in history]


def call_with_all_steps(callback, before, progress, image):
    """The callback of one octave, before which there were so many steps."""
    return callback(*counted_on([progress], before), image)


def objective(net, layer, channel, guide):
    """The loss that a dream makes larger."""
    if guide is None:
        return LayerNorm2(layer, channel)
    if channel is not None:
        raise InputError("a dream is guided by a picture or seeks one channel, not both")
    maps = net.predict(enter(net, guide), layer)
    if maps.ndim != 4:
        raise InputError(f"{layer!r} has no maps that a guide could match; choose an earlier layer")
    return GuideMatch(layer, maps)


def step_in_input_units(step_size, preprocessing):
    """`step_size` grey levels of 255 in what the network is fed: x = (pixel * scale - mean) / std."""
    return step_size * preprocessing.scale * len(preprocessing.std) / sum(preprocessing.std)


def octave_sizes(H, W, num_octaves, octave_scale):
    """[(height, width), …] from the smallest octave to the picture's own (H, W).

    Raises InputError for a scale that does not enlarge.
    """
    if not 1 < octave_scale < float("inf") or num_octaves < 1:
        raise InputError(f"octaves are 1 or more, each more than 1 times as large as the one before, not {num_octaves} "
                         f"with a scale of {octave_scale}")
    sizes = [(H, W)]
    for _ in range(num_octaves - 1):
        sizes.insert(0, tuple(max(1, round(side / octave_scale)) for side in sizes[0]))
    return sizes


def check_reach(net, layer, channel, sizes):
    """Raise InputError, in one line, where an octave is too small for the layer, or the layer has no such channel."""
    trunk = net.trunk(layer)
    for H, W in sizes:
        try:
            shape = trunk.shapes((net.input_shape[0], H, W))[layer]
        except InputError as problem:
            raise InputError(f"the octave of {W}x{H} pixels does not reach {layer!r} ({problem}); choose an earlier "
                             "layer, fewer octaves or a larger picture") from None
    if channel is not None and not 0 <= channel < shape[1]:
        raise InputError(f"layer {layer!r} has channels 0 to {shape[1] - 1}, not {channel}")


def resize_maps(x, size):
    """(N, C, H, W) -> (N, C, *size), bilinear from corner to corner, as the notebook's scipy.ndimage.zoom."""
    factors = (1, 1, *(new / old for new, old in zip(size, x.shape[2:], strict=True)))
    return get_ndimage(x).zoom(x, factors, order=1)


def dream_zoom(net, x, preprocessing, *, num_frames, rng, zoom=0.05, first=0, **settings):
    """Yield frames (1, C, H, W) of a flight into the dream: each is the one before it, enlarged by `zoom` about its
    middle, dreamt on by `deep_dream` with `settings`.

    Frames `first` to num_frames - 1 are made. x : the photo, or, where `first` is not 0, frame first - 1: a frame is
    rounded to 8-bit colours before it goes on, so that its file is all that is needed to go on from it, and each has a
    generator of its own, from `rng`.
    """
    if not 0 <= zoom < 1:
        raise InputError(f"a zoom is from 0 to less than 1, the part of the side that is cut off, not {zoom}")
    for number, own in enumerate(rng.spawn(num_frames)):
        if number < first:
            continue
        x, _ = deep_dream(net, zoom_in(x, zoom) if number else x, preprocessing, rng=own, **settings)
        x = preprocessing.to_input(preprocessing.to_image(x))
        yield x


def zoom_in(x, zoom):
    """x (N, C, H, W), the part `zoom` of both sides cut off at the borders and the rest enlarged to the same shape."""
    inside = 1 - zoom
    middle = [(side - 1) * zoom / 2 for side in x.shape[2:]]
    return get_ndimage(x).affine_transform(x, (1, 1, inside, inside), (0, 0, *middle), order=1)
