"""Fast style transfer: one pass of a network that was trained for one style (Johnson et al. 2016, arXiv:1603.08155).

Instance norm looks at the whole picture: a tile normalized by its own mean would have colours and strokes of its own.
So a picture that is too large for one pass is gone through once for each of these layers, tile by tile, to know the
mean and variance of all of it; then every tile is painted as the whole picture would be, and there are no seams.
"""

from itertools import product

import numpy as np
from scipy.ndimage import median_filter

from minicnn.backend import available_memory, device_of, to_device, to_host
from minicnn.errors import InputError
from minicnn.fast.forecast import peak_memory
from minicnn.layers import BatchNorm2D, Conv2D, InstanceNorm2D, Upsample2D
from minicnn.visualize.style.many_styles import as_single_style
from minicnn.visualize.style.transfer import enter_picture

GRID = 4                      # the network halves twice: sides are multiples of this
SMALLEST = 2 * GRID           # less cannot be mirrored at a quarter of the size
WIDEST = 31                   # of a median: beyond, nothing is left of a picture, and it takes minutes
TILES = (1024, 512, 256, 128)  # sides to choose from


def stylize(net, picture, preprocessing, *, tile=None, median=1, callback=None):
    """`picture`, uint8 (H, W, 3) of any size, as the transform network paints it -> uint8 (H, W, 3).

    tile : None for one pass; a number of pixels to compute by tiles of that side, in less memory and several times the
    time: the same picture but for rounding. median : the side of the window whose median each pixel becomes in the end,
    odd; 3 in the authors' script, against dots. callback : called with (tiles done, of how many).
    Raises InputError for a network whose output is no picture of the input's size, and for a window that is even or
    above WIDEST.
    """
    check_transform(net)
    if median % 2 == 0 or not 1 <= median <= WIDEST:
        raise InputError(f"the median is of a window with a middle: an odd number of pixels, not {median}, up to "
                         f"{WIDEST}")
    H, W = picture.shape[:2]
    whole = mirrored(picture)
    if tile is None:
        out = to_host(net.predict(enter_picture(net, whole, preprocessing)))
    else:
        out = predict_by_tiles(net, preprocessing.to_input(whole), tile, callback)
    painted = preprocessing.to_image(out)[:H, :W]
    return painted if median == 1 else median_filter(painted, (median, median, 1))


def check_transform(net):
    """Raise InputError where the network does not make a picture of each picture."""
    shapes = net.shapes((3, 64, 64)) if net.input_shape[0] == 3 and "deconv3" in net.positions else {}
    if not shapes or shapes[net.output] != (1, 3, 64, 64):
        raise InputError("this network paints no pictures; a transform network is needed, as demos.train_fast_style "
                         "makes, or weights_converter of a file of PyTorch's fast_neural_style")


def mirrored(picture):
    """The picture, (H, W, 3), continued to the right and below by its mirror image, to sides that the network takes."""
    rows, columns = (max(SMALLEST, -(-side // GRID) * GRID) - side for side in picture.shape[:2])
    return np.pad(picture, ((0, rows), (0, columns), (0, 0)), "reflect")


def choose_tile(net, size):
    """The tile for a picture of `size`, (H, W): None, all at once, where half of the free memory is enough for it."""
    free = available_memory(net.device)
    shape = [1, 3, *(max(SMALLEST, -(-side // GRID) * GRID) for side in size)]
    if free is None or peak_memory(net, shape, seeds=()) <= free / 2:
        return None
    margin = 2 * reach(net)
    fitting = (tile for tile in TILES if peak_memory(net, (1, 3, tile + margin, tile + margin), seeds=()) <= free / 2)
    return next(fitting, TILES[-1])


def reach(net):
    """How many pixels around it an output pixel depends on at most, its normalizations apart; a multiple of GRID."""
    reaches, strides = {"input": 0}, {"input": 1}
    for name, layer, inputs in net.nodes:
        far, stride = max(reaches[source] for source in inputs), strides[inputs[0]]
        if isinstance(layer, Conv2D):
            far += layer.params["w"].shape[2] // 2 * stride
            stride *= layer.stride
        elif isinstance(layer, Upsample2D):
            far += stride  # what was one pixel there is now at several places
            stride /= layer.factor
        reaches[name], strides[name] = far, stride
    return -(-int(reaches[net.output]) // GRID) * GRID


def predict_by_tiles(net, x, tile, callback=None):
    """The output for x, (1, 3, H, W) on the host with sides of multiples of GRID, there too."""
    net = as_single_style(net)
    norms = [node for node in net.nodes if isinstance(node.layer, InstanceNorm2D)]
    margin, tile = reach(net), max(GRID, tile // GRID * GRID)
    places = list(product(spans(x.shape[2], tile, margin), spans(x.shape[3], tile, margin)))
    done, total = 0, len(places) * (len(norms) + 1)
    known = {}  # name -> the normalization by the whole picture's mean and variance

    def parts(network):
        """(place, what the network makes of it without the margin) of every tile, the place in its own pixels."""
        nonlocal done
        for rows, columns in places:
            pixels = x[:, :, rows[0]:rows[3], columns[0]:columns[3]]
            out = to_host(network.predict(to_device(pixels, net.device)))
            stride = pixels.shape[2] // out.shape[2]
            own = tuple(slice((span[1] - span[0]) // stride, (span[2] - span[0]) // stride) for span in (rows, columns))
            yield (slice(*rows[1:3]), slice(*columns[1:3])), out[:, :, own[0], own[1]]
            done += 1
            if callback is not None:
                callback(done, total)

    for name, layer, (source,) in norms:
        known[name] = with_statistics(layer, *mean_and_variance(out for _, out in parts(
            net.with_layers(known).trunk(source))))
    painted = np.empty_like(x)
    for (rows, columns), out in parts(net.with_layers(known)):
        painted[:, :, rows, columns] = out
    return painted


def spans(side, tile, margin):
    """[(start, first, last, stop), …] along an axis: a tile owns first to last, and is computed from start to stop."""
    return [(max(0, first - margin), first, min(side, first + tile), min(side, first + tile + margin))
            for first in range(0, side, tile)]


def mean_and_variance(parts):
    """Of each channel over all arrays (1, C, h, w) together, float64 (C,): Chan et al. 1979, which loses no digits."""
    count, mean, squares = 0, 0.0, 0.0
    for part in parts:
        values = part[0].reshape(part.shape[1], -1).astype(np.float64)  # (C, h w)
        here, own = values.shape[1], values.mean(axis=1)
        apart = own - mean
        squares = squares + values.var(axis=1) * here + apart * apart * (count * here / (count + here))
        mean = mean + apart * (here / (count + here))
        count += here
    return mean, squares / count


def with_statistics(layer, mean, variance):
    """The InstanceNorm2D `layer` with mean and variance given, (C,): what batch normalization is after training."""
    fixed, gamma = BatchNorm2D(mean.size, layer.eps), layer.params["gamma"]
    fixed.params = layer.params
    fixed.buffers = {key: to_device(values.astype(str(gamma.dtype)), device_of(gamma))
                     for key, values in (("mean", mean), ("var", variance))}
    return fixed
