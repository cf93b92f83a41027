"""What proves the images that gradient ascent makes: of classes by each preset, of neurons, channels and layers."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.losses import L2, TotalVariation
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.saliency import neuron_gradient
from minicnn.visualize.check import Check, below
from minicnn.visualize.synthesis.ascent import neuron_view


def check_zeroed(image, percent):
    """An image (1, C, H, W) after SmallNorm or SmallContribution: so many percent of its pixels are exactly 0."""
    pixels = image[0, 0].size
    share = float((image[0] == 0).all(axis=0).mean())
    return [Check("share of the pixels that are exactly the mean colour", share, f"{percent / 100:g}, as asked for",
                  abs(share - percent / 100) <= 1.5 / pixels)]


def check_smoother(image, score, plain, scores):
    """A regularised image (1, C, H, W) has less high-frequency energy, and less total variation at the same contrast,
    than the image by plain L2 that has just reached its score.

    plain, scores : the images by plain L2, step after step, and what they reach. Where none reaches the score, the best
    of them is what is compared with.
    """
    reached = [step for step, value in enumerate(scores) if value >= score]
    other = plain[reached[0]] if reached else plain[int(np.argmax(scores))]
    by = "plain L2 at the same score" if reached else "plain L2, which did not reach its score"
    share, plain_share = high_frequency_share(image), high_frequency_share(other)
    variation, plain_variation = relative_variation(image), relative_variation(other)
    return [Check("share of the energy above half of the highest frequency", share,
                  f"less than {plain_share:.3f}, {by}", share < plain_share),
            Check("total variation over the deviation from the mean colour", variation,
                  f"less than {plain_variation:.3f}, {by}", variation < plain_variation)]


def relative_variation(image):
    """The root mean square of the differences between neighbours over that of the values; about 2 for white noise."""
    image = {"input": image.astype(np.float64)}
    return float((TotalVariation()(image)[0] / L2()(image)[0]) ** 0.5)


def excitement(kind, out):
    """What a layer answers to each picture, out (N, C, H, W) or (N, C) on the host, as what a visualization maximises:
    (N, C), of "neuron" the largest of the map and of "channel" the mean; (N, 1) the root mean square of a "layer"."""
    out = out.reshape(*out.shape[:2], -1)
    if kind == "layer":
        return (out.astype(np.float64)**2).mean(axis=(1, 2))[:, None]**0.5
    return out.max(axis=2) if kind == "neuron" else out.mean(axis=2)


def away_from_padding(net, layer, out):
    """`out` (N, C, H, W), of pictures of the network's size, cut to the neurons that see no padding, if there are any.

    Some channels answer to nothing as to the padding, which is in no picture that a neuron's image could be.
    """
    field, size = receptive_field(net, layer), net.input_shape[1]
    if field is None or out.ndim != 4:
        return out
    inside = [y for y in range(out.shape[2]) if field.fits(y, y, size, size)]
    return out[:, :, inside[0]:inside[-1] + 1, inside[0]:inside[-1] + 1] if inside else out


def check_excitement(kind, layer, values, natural):
    """Each image excites what it was made for more than any of a set of pictures does.

    values : (K,), of the images as 8-bit pictures. natural : (M, K), of M pictures, by `excitement`.
    """
    largest = natural.max(axis=0)
    above = int((values > largest).sum())
    percentile = float((natural < values).mean()) * 100
    spoken = values[largest > 0] / largest[largest > 0]
    ratio = float(np.median(spoken)) if spoken.size else float("inf")
    return [Check(f"{layer}: images that excite their {kind} more than any of {len(natural)} pictures", above,
                  f"{len(values)}", above == len(values)),
            Check(f"{layer}: median of its activation over the largest of the pictures'", ratio, "more than 1",
                  ratio > 1),
            Check(f"{layer}: percentile among the pictures", percentile, "100", percentile == 100)]


def check_field(net, layer, channel, rng):
    """The gradient of the neuron in the centre of random noise of the network's size: 0 outside what it sees."""
    layer = net.find(layer)
    field = receptive_field(net, layer)
    if field is None:
        return []
    size = net.input_shape[1]
    _, position = neuron_view(net, layer, size)
    noise = rng.standard_normal((1, *net.input_shape), dtype="float32")
    gradient = np.abs(neuron_gradient(net, noise, layer, channel, position)[0])
    top, bottom, left, right = field.box(*position, size, size)
    gradient[:, top:bottom, left:right] = 0
    return [below(f"{layer}: largest gradient of the neuron outside the {field.size} pixels that it sees",
                  gradient.max(), 0.0)]


def rank_in_layer(out, channel, position=None):
    """The place of a neuron among all of its layer, 1 being the most active; out (C, H, W) or (C,) on the host.

    Yosinski's "majority" is a place of 1.
    """
    return 1 + int((out > out[(channel, *(position or ()))]).sum())


def check_class_visualization(net, image, noise, label, preprocessing, rng):
    """The image (1, C, H, W) as an 8-bit picture: its class comes first, with a score that neither the noise it was
    nor a random step of the same length reaches, and it is smoother than the noise, or, where it began as 0, than white
    noise.
    """
    random = rng.standard_normal(image.shape)
    control = noise + random * (np.linalg.norm(image - noise) / np.linalg.norm(random))
    picture = preprocessing.to_input(preprocessing.to_image(image))
    batch = np.concatenate([picture, noise, control]).astype(np.float32)
    scores, *others = to_host(net.predict(to_device(batch, net.device)))
    rank = 1 + int((scores > scores[label]).sum())
    white = noise if noise.any() else random
    share, noise_share = high_frequency_share(image), high_frequency_share(white)
    before, control = (float(other[label]) for other in others)
    return [Check("rank of the class for the 8-bit picture", rank, "1", rank == 1),
            Check("its score", float(scores[label]), f"more than {before:.2f}, where it began, and {control:.2f}, by a "
                  "random step as long", bool(scores[label] > max(before, control))),
            Check("share of the energy above half of the highest frequency", share,
                  f"less than {noise_share:.3f}, " + ("the noise it began as" if noise.any() else "white noise"),
                  share < noise_share)]


def high_frequency_share(image, cutoff=0.5):
    """The share of an image's energy, its mean left out, at frequencies above `cutoff` of the highest; (N, C, H, W)."""
    image = image - image.mean(axis=(2, 3), keepdims=True)
    energy = np.abs(np.fft.fft2(image)) ** 2
    H, W = image.shape[2:]
    radius = np.hypot(np.fft.fftfreq(H)[:, None], np.fft.fftfreq(W)) / 0.5
    return float(energy[..., radius > cutoff].sum() / energy.sum())
