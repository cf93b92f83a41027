"""The objective numbers of the generator prior: its gradient, the class, and the likeness to drawn pictures."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.losses import one_hot
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, below
from minicnn.visualize.embedding.neighbours import nearest, nearest_others
from minicnn.visualize.synthesis.class_visualization_check import high_frequency_share
from minicnn.visualize.synthesis.generator import stacked


def check_code_gradient(generator: Network, net: Network, label: int, code: Array,
                        rng: np.random.Generator) -> Check:
    """Return the Check that the gradient to the code is the slope of the score, in float64. code : (1, …)."""
    exact = stacked(generator, net).astype("float64").to_device("cpu")
    # Clamping puts an optimized code on the kinks of many ReLUs, so add a little noise.
    code = to_host(code).astype(np.float64)
    code = code + 1e-3 * np.abs(code).mean() * rng.standard_normal(code.shape)
    seed = one_hot(exact.predict(code), label)

    def score(at: np.ndarray) -> float:
        return float((exact.predict(at) * seed).sum())
    gradient = exact.backward(exact.forward(code), {exact.output: seed})["input"]
    error = directional_error(score, code, gradient, rng, (1e-5, 1e-6, 1e-7))
    return below("error of the gradient to the code along 5 random directions, float64", error, 1e-6)


def check_generated(net: Network, encoder: Network, labels: Sequence[int], generated: np.ndarray,
                    by_pixels: np.ndarray, drawn: np.ndarray, drawn_labels: Sequence[int] | np.ndarray,
                    preprocessing: Preprocessing) -> list[Check]:
    """Return the Checks that the generated pictures show their classes, look like drawn pictures, and are no copies.

    Parameters
    ----------
    net : the network that classifies the pictures.
    encoder : the network from a picture to the generator's code.
    labels : the K classes.
    generated, by_pixels : a picture of each class by the generator, and one by optimizing pixels in the same number of
        steps, (K, C, H, W).
    drawn, drawn_labels : pictures of the generator's training data, (N, C, H, W), and their classes, (N,). Distances to
        them are measured between codes, in standard deviations: measured between pixels, plain grey is nearer to most
        pictures than any other picture is.
    preprocessing : of the network's weights.
    """
    generated, by_pixels = (preprocessing.to_input(preprocessing.to_images(x)) for x in (generated, by_pixels))
    scores, pixel_scores, drawn_scores = (predict_batches(net, x) for x in (generated, by_pixels, drawn))
    rows = np.arange(len(labels))
    first = float((scores.argmax(axis=1) == labels).mean())
    score, pixel_score = (float(each[rows, labels].mean()) for each in (scores, pixel_scores))
    drawn_score = float(drawn_scores[np.arange(len(drawn)), np.asarray(drawn_labels)].mean())
    shares = [np.mean([high_frequency_share(one[None]) for one in x]) for x in (generated, by_pixels, drawn)]
    distance, pixel_distance = code_distances(encoder, (generated, by_pixels), drawn)
    closest = nearest_others(flat(drawn), 1)[1].min()
    least = float(nearest_drawn(generated, drawn)[1].min())
    return [
        Check("share of the generated 8-bit pictures that are classified as their class", first, "1", first == 1),
        Check("mean score of the generated pictures", score, f"more than {drawn_score:.2f} (drawn pictures); optimized "
              f"pixels reach {pixel_score:.2f} in as many steps", score > drawn_score),
        Check("mean distance of their codes to the nearest drawn picture's, in standard deviations", distance,
              f"less than {pixel_distance:.2f} (optimized pixels)", distance < pixel_distance),
        Check("share of their energy above half of the highest frequency", float(shares[0]),
              f"nearer to {shares[2]:.4f} (drawn pictures) than to {shares[1]:.4f} (optimized pixels)",
              bool(abs(shares[0] - shares[2]) < abs(shares[1] - shares[2]))),
        Check(f"least distance of a generated picture to one of {len(drawn)} training pictures", least,
              f"at least {closest:.1f} (least distance of two training pictures): no copy", bool(least >= closest))]


def code_distances(encoder: Network, several: Sequence[np.ndarray], drawn: np.ndarray) -> list[float]:
    """Return, for each batch of pictures in `several`, the mean distance of their codes to the nearest drawn picture's.

    The distance is the root of the mean square over the code's numbers, each divided by its standard deviation among
    the drawn pictures.
    """
    codes = predict_batches(encoder, drawn)
    deviations = codes.std(axis=0)
    varying = deviations > 1e-6 * deviations.max()
    divisors = np.where(varying, deviations, 1)
    drawn_codes = (codes / divisors)[:, varying]
    scaled = [(predict_batches(encoder, x) / divisors)[:, varying] for x in several]
    return [float(nearest(x, drawn_codes, 1)[1].mean() / varying.sum() ** 0.5) for x in scaled]


def nearest_drawn(x: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices and distances, each (K,), of the drawn pictures (N, C, H, W) nearest to x (K, C, H, W)."""
    indices, distances = nearest(flat(x), flat(drawn), 1)
    return indices[:, 0], distances[:, 0]


def flat(x: np.ndarray) -> np.ndarray:
    """Return pictures (N, C, H, W) as vectors, (N, C * H * W)."""
    return x.reshape(len(x), -1)


def predict_batches(net: Network, x: np.ndarray, batch_size: int = 50) -> np.ndarray:
    """Return the network's output for pictures x (N, C, H, W), (N, …) on the host."""
    return np.concatenate([to_host(net.predict(to_device(x[start:start + batch_size], net.device)))
                           for start in range(0, len(x), batch_size)])
