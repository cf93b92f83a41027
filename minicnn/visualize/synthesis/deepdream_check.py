"""What proves a dream: its objective rises in every octave, and tiles give the gradient of the whole image."""

from functools import partial

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.gradient_check import relative_error
from minicnn.losses import GuideMatch, LayerNorm2, loss_and_gradient
from minicnn.optimize import Jitter
from minicnn.visualize.check import Check, below
from minicnn.visualize.synthesis.deepdream import objective
from minicnn.visualize.synthesis.tiles import choose_tile, tiled_loss_and_gradient

CROP = 224            # pixels of the middle of the photo, on which tiles are compared with the whole
TILE_ERROR = 1e-10    # float64, of the largest gradient


def check_deep_dream(net, x, image, history, preprocessing, rng, *, layer, channel=None, guide=None, num_steps,
                     max_jitter):
    """The dream `image` of the photo x, both (1, C, H, W): what was sought rose in every octave and is there in the
    8-bit picture, more than in the photo and more than after a random change as large; sizes and shifts are exact.

    history : all steps, `num_steps` an octave; an octave of a single step shows no rise and is not counted.
    """
    values = [step.values[0] for step in history]
    octaves = [values[start:start + num_steps] for start in range(0, len(values), num_steps)]
    octaves = [octave for octave in octaves if len(octave) > 1]
    rose = sum(octave[-1] > octave[0] for octave in octaves)
    random = rng.standard_normal(x.shape)
    control = x + random * (np.linalg.norm(image - x) / np.linalg.norm(random))
    picture = preprocessing.to_input(preprocessing.to_image(image))
    loss = objective(net, layer, channel, guide)
    before, after, by_chance = (per_position(net, candidate.astype(x.dtype), layer, loss)
                                for candidate in (x, picture, control))
    sought, jitter = what(loss), Jitter(max_jitter)
    shift = jitter.draw(rng)
    return [Check(f"octaves that end with more than they began with: {sought}", rose, f"all {len(octaves)}",
                  rose == len(octaves)),
            Check(f"{sought} of the 8-bit picture", after, f"more than {before:.4g}, of the photo, and "
                  f"{by_chance:.4g}, after a random change as large", after > max(before, by_chance)),
            Check("sides of another length than the photo's", int(np.not_equal(image.shape, x.shape).sum()), "0",
                  image.shape == x.shape),
            below("largest change of a pixel by a jitter and its undoing",
                  np.abs(jitter.undo(jitter.apply(image, shift), shift) - image).max(), 0.0)]


def check_dream_zoom(net, photo, last, *, layer, channel=None, guide=None):
    """A flight from the photo to its `last` frame, both (1, C, H, W): of one size, and ever more of what is sought."""
    loss = objective(net, layer, channel, guide)
    before, after = (per_position(net, x, layer, loss) for x in (photo, last))
    return [Check(f"{what(loss)} of the last frame", after, f"more than {before:.4g}, of the photo", after > before),
            Check("sides of another length than the photo's", int(np.not_equal(last.shape, photo.shape).sum()), "0",
                  last.shape == photo.shape)]


def what(loss):
    """What a dream seeks, as a mean over the positions of the layer, in words."""
    if isinstance(loss, GuideMatch):
        return f"best dot product of {loss.layer} with the guide's"
    return f"half the squared norm of {loss.layer}" + ("" if loss.channel is None else f", channel {loss.channel},")


def per_position(net, x, layer, loss):
    """The loss of x (1, C, H, W) by the positions of the layer; by tiles where the image is large."""
    tile = choose_tile(net, layer, x.shape)
    compute = partial(tiled_loss_and_gradient, tile=tile) if tile else loss_and_gradient
    shape = net.trunk(layer).shapes(x.shape[1:])[net.find(layer)]
    return compute(net, to_device(x, net.device), [(1.0, loss)])[0] / max(1, int(np.prod(shape[2:])))


def check_tiles(net, x, layer, tile=None, crop=CROP):
    """The gradient of half the squared norm of `layer`, by tiles and of the whole at once, float64.

    x : (1, C, H, W), of which the middle is taken, `crop` pixels at most. tile : half of that, unless given.
    """
    H, W = (min(crop, side) for side in x.shape[2:])
    top, left = (x.shape[2] - H) // 2, (x.shape[3] - W) // 2
    middle = to_host(x)[:, :, top:top + H, left:left + W].astype("float64")
    exact = net.trunk(layer).astype("float64").to_device("cpu")
    terms = [(1.0, LayerNorm2(exact.find(layer)))]
    _, whole, _ = loss_and_gradient(exact, middle, terms)
    _, tiled, _ = tiled_loss_and_gradient(exact, middle, terms, tile or max(H, W) // 2)
    return [below("gradient by tiles against that of the whole picture, float64", relative_error(tiled, whole),
                  TILE_ERROR)]
