"""What proves the generator prior: the gradient, the class, and pictures that are like drawn ones, but none of them."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.losses import one_hot
from minicnn.visualize.check import Check, below
from minicnn.visualize.embedding.neighbours import nearest, nearest_others
from minicnn.visualize.synthesis.ascent_check import high_frequency_share
from minicnn.visualize.synthesis.generator import stacked


def check_code_gradient(generator, net, label, code, rng):
    """A code (1, …): the gradient through generator and network is the score's slope, in float64."""
    exact = stacked(generator, net).astype("float64").to_device("cpu")
    # a little noise: an optimised code lies where it was clipped, on the kinks of many a ReLU
    code = to_host(code).astype(np.float64)
    code = code + 1e-3 * np.abs(code).mean() * rng.standard_normal(code.shape)
    seed = one_hot(exact.predict(code), label)

    def score(at):
        return float((exact.predict(at) * seed).sum())
    gradient = exact.backward(exact.forward(code), {exact.output: seed})["input"]
    error = directional_error(score, code, gradient, rng, (1e-5, 1e-6, 1e-7))
    return below("slope of the score along 5 random directions of the code against the gradient, float64", error, 1e-6)


def check_generated(net, encoder, labels, painted, by_pixels, drawn, drawn_labels, preprocessing):
    """Pictures of the classes `labels`, (K, C, H, W): `painted` by a generator, and made of pixels in as many steps.

    encoder : the Network that makes the generator's codes of pictures. drawn : pictures that the generator was trained
    on, (N, C, H, W), and their classes, (N,). How like a drawn picture one is, is judged by its code, in standard
    deviations: by its pixels, plain grey is nearer to most pictures than any other picture is.
    """
    painted, by_pixels = (preprocessing.to_input(preprocessing.to_images(x)) for x in (painted, by_pixels))
    of_painted, of_pixels, of_drawn = (scores_of(net, x) for x in (painted, by_pixels, drawn))
    rows, drawn_labels = np.arange(len(labels)), np.asarray(drawn_labels)
    first = float((of_painted.argmax(axis=1) == labels).mean())
    score, pixel_score = (float(scores[rows, labels].mean()) for scores in (of_painted, of_pixels))
    drawn_score = float(of_drawn[np.arange(len(drawn)), drawn_labels].mean())
    shares = [np.mean([high_frequency_share(one[None]) for one in x]) for x in (painted, by_pixels, drawn)]
    distance, pixel_distance = code_distances(encoder, (painted, by_pixels), drawn)
    own = nearest_others(flat(drawn), 1)[1]
    least = float(nearest_drawn(painted, drawn)[1].min())
    return [
        Check("painted 8-bit pictures whose first class is the one that was asked for, share", first, "1", first == 1),
        Check("mean score of the painted pictures", score, f"more than {drawn_score:.2f}, of drawn ones; of pixels "
              f"alone, in as many steps, {pixel_score:.2f}", score > drawn_score),
        Check("mean distance of their codes to the nearest drawn picture's, in standard deviations", distance,
              f"less than {pixel_distance:.2f}, of the pictures of pixels alone", distance < pixel_distance),
        Check("share of their energy above half of the highest frequency", float(shares[0]),
              f"nearer to {shares[2]:.4f}, of drawn pictures, than {shares[1]:.4f}, of pixels alone",
              bool(abs(shares[0] - shares[2]) < abs(shares[1] - shares[2]))),
        Check(f"least distance of a painted picture to one of {len(drawn)} that the generator was trained on", least,
              f"at least {own.min():.1f}, the least of two drawn pictures: none is a copy", bool(least >= own.min()))]


def code_distances(encoder, several, drawn):
    """For each batch of pictures in `several` the mean distance to the nearest of the drawn ones, by their codes: the
    root of the mean square over the code's units, each in its standard deviations among the drawn pictures."""
    codes = scores_of(encoder, drawn)
    deviations = codes.std(axis=0)
    varying = deviations > 1e-6 * deviations.max()
    known = (codes / np.where(varying, deviations, 1))[:, varying]
    found = [(scores_of(encoder, x) / np.where(varying, deviations, 1))[:, varying] for x in several]
    return [float(nearest(x, known, 1)[1].mean() / varying.sum() ** 0.5) for x in found]


def nearest_drawn(x, drawn):
    """The nearest of the drawn pictures (N, C, H, W) to each of x (K, C, H, W), and its distance, each (K,)."""
    indices, distances = nearest(flat(x), flat(drawn), 1)
    return indices[:, 0], distances[:, 0]


def flat(x):
    """Pictures as vectors."""
    return x.reshape(len(x), -1)


def scores_of(net, x, batch_size=50):
    """The network's output for pictures x (N, C, H, W), (N, …) on the host."""
    return np.concatenate([to_host(net.predict(to_device(x[start:start + batch_size], net.device)))
                           for start in range(0, len(x), batch_size)])
