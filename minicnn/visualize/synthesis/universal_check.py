"""The objective numbers of universal perturbations: their norm, and how many pictures they and noise fool."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, above, below, reported
from minicnn.visualize.synthesis.universal import MOOSAVI, UniversalSettings, deepfool

NOISES = 3   # draws of noise
SAMPLE = 3   # pictures on which DeepFool is tried
LEARNT = 0.3  # share of the pictures it was made from that are fooled: with less, the passes were too few
ENOUGH = 20  # unseen pictures, from which on the comparison with noise is judged


def check_universal(net: Network, perturbation: np.ndarray, rates: Sequence[float], pictures: np.ndarray,
                    unseen: np.ndarray, preprocessing: Preprocessing, rng: np.random.Generator,
                    settings: UniversalSettings = MOOSAVI) -> list[Check]:
    """Return the Checks of a universal perturbation.

    Its norm is at most epsilon. The changes that it is made of lower the lead of the pictures' classes. The rate after
    the last pass is true for the pictures that it was made from. It fools unseen pictures more often than noise of its
    norm.

    perturbation : int (H, W, 3). rates : after each pass. pictures, unseen : uint8 (N, H, W, 3). rng : of the noise.
    """
    values = perturbation.astype(np.float64)
    norm = abs(values).max() if settings.norm == "linf" else np.sqrt((values**2).sum())
    seen, fresh = (fooling_rate(net, some, values, preprocessing) for some in (pictures, unseen))
    noise = float(np.mean([fooling_rate(net, unseen, noise_like(values, rng), preprocessing)
                           for _ in range(NOISES)]))
    what = f"share of {len(unseen)} unseen pictures that are fooled, minus that by noise of this norm, {noise:.3f}"
    checks = [below(f"{settings.norm} norm of the perturbation over epsilon", norm / settings.epsilon, 1.0),
              above(what, fresh - noise, 0.0) if len(unseen) >= ENOUGH and seen >= LEARNT else
              reported(what, fresh - noise, f"judged from {ENOUGH} unseen pictures on, if {LEARNT:.0%} of the "
                       "others are fooled")]
    checks.append(above(f"smallest fall of the class's lead by the change of DeepFool, {SAMPLE} pictures",
                        min(fall_by_deepfool(net, picture, preprocessing, settings) for picture in pictures[:SAMPLE]),
                        0.0))
    if rates:
        checks.append(below("stated fooling rate after the last pass against its pictures, difference",
                            abs(rates[-1] - seen), 1e-9))
    return [*checks, reported("share of the pictures it was made from that are fooled", seen)]


def fall_by_deepfool(net: Network, picture: np.ndarray, preprocessing: Preprocessing,
                     settings: UniversalSettings) -> float:
    """Return the fall of (score of the class - best other score) by the change of `deepfool`, for uint8 (H, W, 3)."""
    x = to_device(preprocessing.to_input(picture), net.device)
    low, high = preprocessing.valid_range()
    unit = to_device((high - low) / np.float32(255), net.device)
    scores = to_host(net.predict(x))[0].tolist()
    label = int(np.argmax(scores))
    after = to_host(net.predict(x + unit * deepfool(net, x, label, unit, settings)))[0].tolist()
    leads = [some[label] - max(some[:label] + some[label + 1:]) for some in (scores, after)]
    return leads[0] - leads[1]


def fooling_rate(net: Network, pictures: np.ndarray, perturbation: np.ndarray, preprocessing: Preprocessing) -> float:
    """Return the share of the pictures, uint8 (N, H, W, 3), whose answer changes with the perturbation (H, W, 3)."""
    changed = np.clip(np.rint(pictures + perturbation), 0, 255).astype(np.uint8)
    found = [[int(to_host(net.predict(to_device(preprocessing.to_input(one), net.device)))[0].argmax())
              for one in some] for some in (pictures, changed)]
    return float(np.mean([before != after for before, after in zip(*found, strict=True)]))


def noise_like(perturbation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the values of a perturbation (H, W, 3) in random places: noise of the same norm, whichever it is."""
    return rng.permutation(perturbation.ravel()).reshape(perturbation.shape)
