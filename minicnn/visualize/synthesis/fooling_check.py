"""The objective numbers of fooling images: the network's answer, the size of the change, and other networks."""

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import TORCHVISION, Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, above, below, reported
from minicnn.visualize.replay_check import Redone, check_redone, input_gradient
from minicnn.visualize.synthesis.fooling import MARGIN, Fooled, FoolingSettings

HIGHEST = 100.0  # dB; stands for an infinite PSNR, of equal pictures


def check_fooling(net: Network, original: np.ndarray, picture: np.ndarray, report: Fooled, target: int,
                  preprocessing: Preprocessing, rng: np.random.Generator, name: str,
                  settings: FoolingSettings = MARGIN, stopped: bool = False) -> list[Check]:
    """Return the Checks of a fooling image.

    The report states what the 8-bit picture shows. If the loop ended by itself, the network classifies this picture as
    the target. The change is not longer than its steps, nor any colour's larger than epsilon. The margin after a
    random change of the same length and the PSNR are reported: a photo may be near another class already.

    Parameters
    ----------
    net, target, preprocessing, settings : as in `fooling_image`.
    original, picture : uint8 (H, W, 3).
    report : the Fooled of the picture.
    rng : the generator of the random change.
    name : the picture's name, for the Checks.
    stopped : whether the run was ended from outside before the target was reached.
    """
    change = picture.astype(np.float64) - original
    l2, linf, margin = float(np.sqrt((change**2).sum())), int(abs(change).max()), margin_of(net, picture, target,
                                                                                           preprocessing)
    noise = rng.standard_normal(original.shape)
    random = np.clip(np.rint(original + noise * (l2 / np.linalg.norm(noise))), 0, 255).astype(np.uint8)
    stated = max(abs(report.l2 - l2), abs(report.linf - linf), abs(report.margin - margin) / max(1.0, abs(margin)),
                 abs(min(report.psnr, HIGHEST) - psnr_of(change)))
    checks = [below(f"stated margin, norm, largest change and PSNR of {name} against its 8-bit picture", stated, 1e-3),
              below(f"length of the change of {name} over the length of its {report.steps} steps and of rounding",
                    length_of(picture, original, preprocessing)
                    / longest_change(report.steps, original, preprocessing, settings), 1.0)]
    what = f"margin of the target's score in {name}, 8 bits, after {report.steps} steps"
    if report.steps < settings.num_steps and not stopped:
        checks.append(above(what, margin, settings.margin))
    else:
        checks.append(reported(what, margin, "the steps were used up" if not stopped else "stopped"))
    if settings.epsilon:
        checks.append(below(f"largest change of a colour in {name}, levels of 255", linf, settings.epsilon))
    return [*checks,
            reported(f"margin after a random change of the same length, {l2:.0f} levels",
                     margin_of(net, random, target, preprocessing)),
            reported(f"PSNR of {name} to the original, dB", psnr_of(change),
                     "below 30 dB a change can be seen in a direct comparison")]


def check_first_step(net: Network, x: np.ndarray, first: np.ndarray | None, target: int,
                     preprocessing: Preprocessing, settings: FoolingSettings, name: str) -> Check:
    """Return the Check that the first step goes up the gradient of the target's score or margin, by its length.

    x : the photo, (1, C, H, W) on the host. first : the image after the first step; None is not judged.
    """
    if first is None:
        return check_redone([], name)
    output, low, high = net.output, *preprocessing.valid_range()
    if settings.epsilon:
        reach = settings.epsilon * (high - low) / 255
        low, high = np.maximum(low, x - reach), np.minimum(high, x + reach)

    def seeds(out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        seed = np.zeros_like(out[output])
        seed[0, target] = 1
        if settings.objective == "margin":
            others = out[output][0].copy()
            others[target] = -np.inf
            seed[0, others.argmax()] -= 1
        return {output: seed}
    gradient = input_gradient(net, x, [output], seeds)
    size = step_length(x.shape, preprocessing, settings) / max(float(np.linalg.norm(gradient)), 1e-30)
    return check_redone([Redone(1, x, first, np.clip(x + size * gradient, low, high))], name)


def step_length(shape: tuple[int, ...], preprocessing: Preprocessing, settings: FoolingSettings) -> float:
    """Return the length of a step in the network's input, for pictures of `shape` (…, H, W)."""
    return settings.learning_rate * preprocessing.unit / TORCHVISION.unit * max(shape[-2:]) / 224


def longest_change(steps: int, original: np.ndarray, preprocessing: Preprocessing, settings: FoolingSettings) -> float:
    """Return the length in the network's input of this number of steps and of rounding each value to 8 bits."""
    low, high = preprocessing.valid_range()
    pixels = original.shape[0] * original.shape[1]
    rounding = float(np.sqrt((((high - low) / 510) ** 2).sum() * pixels))
    return 1.001 * (steps * step_length(original.shape[:2], preprocessing, settings) + rounding)


def length_of(picture: np.ndarray, original: np.ndarray, preprocessing: Preprocessing) -> float:
    """Return the distance of two pictures, uint8 (H, W, 3), in the network's input."""
    x, before = preprocessing.to_input(picture), preprocessing.to_input(original)
    return float(np.linalg.norm(x.astype(np.float64) - before))


def margin_of(net: Network, picture: np.ndarray, target: int, preprocessing: Preprocessing) -> float:
    """Return the score of the target minus the best other one, for a picture, uint8 (H, W, 3)."""
    scores = to_host(net.predict(to_device(preprocessing.to_input(picture), net.device)))[0].tolist()
    return scores[target] - max(score for label, score in enumerate(scores) if label != target)


def psnr_of(change: np.ndarray) -> float:
    """Return the PSNR in dB of a change in levels of 255, at most HIGHEST."""
    return min(HIGHEST, 10 * float(np.log10(255**2 / max(float((change**2).mean()), 1e-30))))


def transfer(net: Network, preprocessing: Preprocessing, originals: np.ndarray, pictures: np.ndarray,
             targets: Sequence[int]) -> tuple[int, int]:
    """Return how many pictures change the answer of another network, and how many it classifies as their target.

    originals, pictures : uint8 (N, H, W, 3). They are not resized, as resizing alone can remove a small change.
    """
    before, after = (to_host(net.predict(to_device(preprocessing.to_input(images), net.device))).argmax(axis=1)
                     for images in (originals, pictures))
    return int((before != after).sum()), int((after == np.asarray(targets)).sum())


def check_transfer(name: str, net: Network, preprocessing: Preprocessing, originals: np.ndarray, pictures: np.ndarray,
                   targets: Sequence[int]) -> list[Check]:
    """Return the numbers of `transfer` as Checks that are reported and not judged. name : of the other network."""
    changed, hit = transfer(net, preprocessing, originals, pictures, targets)
    return [reported(f"pictures for which {name} changes its answer too", changed, f"of {len(pictures)}"),
            reported(f"pictures that {name} classifies as the target too", hit, f"of {len(pictures)}")]
