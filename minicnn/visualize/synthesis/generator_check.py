"""The objective numbers of the generator prior: its steps, the class, and the likeness to drawn pictures."""

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.embedding.neighbours import nearest, nearest_others
from minicnn.visualize.replay_check import Redone, check_range, check_redone, input_gradient
from minicnn.visualize.synthesis.class_visualization_check import high_frequency_share
from minicnn.visualize.synthesis.generator import GeneratorSettings


def kept_code_steps(num_steps: int) -> set[int]:
    """Return the steps whose codes `check_code_steps` needs."""
    return {step for step in (1, num_steps - 1) if step > 0}


def check_code_steps(generator: Network, net: Network, label: int, start: np.ndarray, highest: np.ndarray,
                     code: np.ndarray, picture: np.ndarray, settings: GeneratorSettings,
                     frames: Mapping[int, np.ndarray], name: str, steps: int | None = None) -> list[Check]:
    """Return the Checks that a code was made by the steps of the settings, lies in its bounds, and gives the picture.

    The first and the last step are done again by the formulas: the gradient over its mean size, the decay, the clamp.

    Parameters
    ----------
    generator, net, label, highest, settings : as in `generated_class`.
    start : the first code, (1, …).
    code, picture : the result, on the host.
    frames : {step: code} for the steps of `kept_code_steps`. Steps without a code are not judged.
    name : the class, for the Checks.
    steps : the number of steps that were made; by default all of the settings.
    """
    last = settings.num_steps
    codes = {0: start, **frames, **({last: code} if steps in (None, last) else {})}
    redone = []
    for step in sorted({1, last}):
        if step - 1 in codes and step in codes:
            uphill = code_gradient(generator, net, label, codes[step - 1])
            rate = settings.learning_rate + (settings.last_rate - settings.learning_rate) * (step - 1) / last
            moved = codes[step - 1] + rate / max(float(abs(uphill).mean()), 1e-30) * uphill
            redone.append(Redone(step, codes[step - 1], codes[step],
                                 np.clip(moved * (1 - settings.decay), 0, highest)))
    again = to_host(generator.predict(to_device(code, generator.device)))
    return [check_redone(redone, name), check_range(code, 0, highest, f"{name}: 0 and the code's upper bound"),
            below(f"{name}: largest difference of the picture from the one that the code gives",
                  abs(again - picture).max(), 1e-4)]


def code_gradient(generator: Network, net: Network, label: int, code: np.ndarray) -> np.ndarray:
    """Return the gradient of the class score to the code, (1, …) float64: through `net`, then through `generator`."""
    trace = generator.forward(to_device(code, generator.device))
    output = net.output

    def seed(out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        wanted = np.zeros_like(out[output])
        wanted[0, label] = 1
        return {output: wanted}
    picture = to_host(trace.activations[generator.output])
    dpicture = input_gradient(net, picture, [output], seed).astype(np.float32)
    dcode = generator.backward(trace, {generator.output: to_device(dpicture, generator.device)})["input"]
    return to_host(dcode).astype(np.float64)


def check_generated(net: Network, encoder: Network, labels: Sequence[int], generated: np.ndarray,
                    by_pixels: np.ndarray, drawn: np.ndarray, drawn_labels: Sequence[int] | np.ndarray,
                    preprocessing: Preprocessing, kind: str = "drawn picture") -> list[Check]:
    """Return how well the generated pictures show their classes, look like drawn pictures, and are no copies.

    All of it is reported: few steps, or a class that the decoder draws badly, can make each number small.

    Parameters
    ----------
    net : the network that classifies the pictures.
    encoder : the network from a picture to the generator's code.
    labels : the K classes.
    generated, by_pixels : a picture of each class by the generator, and one by optimizing pixels in the same number of
        steps, (K, C, H, W).
    drawn, drawn_labels : pictures of the generator's training data, (N, C, H, W), and their classes, (N,). Without
        any, the results are not compared with them. Distances to them are measured between codes, in standard
        deviations: measured between pixels, plain grey is nearer to most pictures than any other picture is.
    preprocessing : of the network's weights.
    kind : the name of one of the training pictures, for the Checks.
    """
    generated, by_pixels = (preprocessing.to_input(preprocessing.to_images(x)) for x in (generated, by_pixels))
    scores, pixel_scores = (predict_batches(net, x) for x in (generated, by_pixels))
    rows = np.arange(len(labels))
    first = float((scores.argmax(axis=1) == labels).mean())
    score, pixel_score = (float(each[rows, labels].mean()) for each in (scores, pixel_scores))
    share, pixel_share = high_share(generated), high_share(by_pixels)
    right = reported("share of the generated 8-bit pictures that are classified as their class", first)
    if not len(drawn):
        return [right, reported("mean score of the generated pictures", score,
                                f"optimized pixels reach {pixel_score:.2f} in as many steps"),
                reported("share of their energy above half of the highest frequency", share,
                         f"{pixel_share:.4f} (optimized pixels)")]
    drawn_score = float(predict_batches(net, drawn)[np.arange(len(drawn)), np.asarray(drawn_labels)].mean())
    distance, pixel_distance = code_distances(encoder, (generated, by_pixels), drawn)
    closest = nearest_others(flat(drawn), 1)[1].min()
    least = float(nearest_drawn(generated, drawn)[1].min())
    return [
        right,
        reported("mean score of the generated pictures", score, f"{drawn_score:.2f} ({kind}s); optimized pixels "
                 f"reach {pixel_score:.2f} in as many steps"),
        reported(f"mean distance of their codes to the nearest {kind}'s, in standard deviations", distance,
                 f"{pixel_distance:.2f} (optimized pixels)"),
        reported("share of their energy above half of the highest frequency", share,
                 f"{high_share(drawn):.4f} ({kind}s) and {pixel_share:.4f} (optimized pixels)"),
        reported(f"least distance of a generated picture to one of {len(drawn)} training pictures", least,
                 f"{closest:.1f} (least distance of two training pictures)")]


def high_share(x: np.ndarray) -> float:
    """Return the mean `high_frequency_share` of pictures, (N, C, H, W)."""
    return float(np.mean([high_frequency_share(one[None]) for one in x]))


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
