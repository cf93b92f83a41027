"""The objective numbers of attacks within a ball: the size of the change, the answer, a step, and random noise."""

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, above, below, reported
from minicnn.visualize.replay_check import RESOLVED, Redone, check_redone, input_gradient
from minicnn.visualize.synthesis.epsilon_sweep import EpsilonSweep
from minicnn.visualize.synthesis.pgd import Attacked, PGDSettings


def check_attack(net: Network, original: np.ndarray, picture: np.ndarray, report: Attacked, target: int | None,
                 preprocessing: Preprocessing, settings: PGDSettings, frames: Mapping[int, np.ndarray],
                 rng: np.random.Generator, name: str) -> list[Check]:
    """Return the Checks of one attacked picture.

    The 8-bit picture lies in the ball, and the report states what it shows. The step from the image after step 1 to
    that after step 2 is done again. Random noise on the edge of the ball gives a smaller margin.

    original, picture : uint8 (H, W, 3). target : the class to reach, or None. frames : {step: image (1, C, H, W)} of
    steps 1 and 2. rng : of the noise. name : the picture's name, for the Checks.
    """
    change = picture.astype(np.float64) - original
    l2, linf = float(np.sqrt((change**2).sum())), float(abs(change).max())
    margin = attack_margin(net, picture, report.label, target, preprocessing)
    stated = max(abs(report.l2 - l2), abs(report.linf - linf), abs(report.margin - margin) / max(1.0, abs(margin)),
                 float(report.fooled != (margin > 0)) if margin else 0.0)
    noise = rng.choice([-1.0, 1.0], original.shape) if settings.norm == "linf" else \
        rng.standard_normal(original.shape)
    length = np.linalg.norm(noise) if settings.norm == "l2" else 1.0
    noisy = np.clip(np.rint(original + noise * (settings.epsilon / length)), 0, 255).astype(np.uint8)
    of_noise = attack_margin(net, noisy, report.label, target, preprocessing)
    what = f"margin of {name} minus that of random noise with norm {settings.epsilon:g}"
    return [below(f"{settings.norm} norm of the change of {name} as 8-bit picture, over epsilon",
                  (l2 if settings.norm == "l2" else linf) / settings.epsilon, 1.0),
            below(f"stated answer, margin and norms of {name} against its 8-bit picture", stated, 1e-3),
            redone_step(net, original, report.label, target, preprocessing, settings, frames, name),
            above(what, margin - of_noise, 0.0) if change.any() else
            reported(what, margin - of_noise, "the ball is too small for 8 bits")]


def attack_margin(net: Network, picture: np.ndarray, label: int, target: int | None,
                  preprocessing: Preprocessing) -> float:
    """Return the score of the target minus the best other one; without a target, the best other minus the class's."""
    scores = to_host(net.predict(to_device(preprocessing.to_input(picture), net.device)))[0].tolist()
    wanted = label if target is None else target
    margin = scores[wanted] - max(score for other, score in enumerate(scores) if other != wanted)
    return -margin if target is None else margin


def redone_step(net: Network, original: np.ndarray, label: int, target: int | None, preprocessing: Preprocessing,
                settings: PGDSettings, frames: Mapping[int, np.ndarray], name: str) -> Check:
    """Return the Check that step 2 goes along the sign or direction of the gradient, and is projected onto the ball."""
    if 1 not in frames or 2 not in frames:
        return check_redone([], name)
    low, high = (bound.astype(np.float64) for bound in preprocessing.valid_range())
    unit = (high - low) / 255
    centre, before = preprocessing.to_input(original).astype(np.float64), frames[1].astype(np.float64)
    wanted, up = (label, -1.0) if target is None else (target, 1.0)

    def seeds(out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        scores = out[net.output][0].astype(np.float64)
        seed = np.zeros((1, len(scores)))
        if settings.objective == "margin":
            others = np.where(np.arange(len(scores)) == wanted, -np.inf, scores)
            seed[0, others.argmax()] = -1
        else:
            seed[0] = -np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        seed[0, wanted] += 1
        return {net.output: up * seed}
    slope = input_gradient(net, frames[1], [net.output], seeds) * unit  # uphill, to levels
    length = settings.step * settings.epsilon / settings.num_steps
    colours = (3 / slope.shape[1]) ** 0.5  # a grey value is three colours of a picture
    direction = np.sign(slope) if settings.norm == "linf" else slope / max(np.linalg.norm(slope) * colours, 1e-30)
    change = (before - centre) / unit + length * direction
    if settings.norm == "linf":
        change = np.clip(change, -settings.epsilon, settings.epsilon)
    else:
        change *= min(1.0, settings.epsilon / max(np.linalg.norm(change) * colours, 1e-30))
    expected = np.clip(centre + unit * change, low, high)
    if settings.norm == "linf":  # rounding can turn the sign of a small gradient
        expected = np.where(abs(slope) >= RESOLVED * abs(slope).max(), expected, frames[2])
    return check_redone([Redone(2, frames[1], frames[2], expected)], name)


def check_sweep(swept: EpsilonSweep, norm: str) -> list[Check]:
    """Return the Checks of an EpsilonSweep: no change leaves its ball, and the attack fools more often than noise."""
    attack, noise = swept.fooled.mean(axis=1), swept.noise.mean(axis=1)
    return [below(f"largest {norm} norm of a change as 8-bit picture, over its epsilon",
                  float((swept.sizes / swept.epsilons[:, None]).max()), 1.0),
            below("share fooled by noise minus share fooled by the attack, largest over the radii",
                  float((noise - attack).max()), 0.0),
            above("share fooled at the largest radius minus that of noise", float(attack[-1] - noise[-1]), 0.0)
            if attack.any() else reported("share fooled at the largest radius", 0, "no radius is large enough"),
            reported("largest fall of the share from one radius to the next", largest_fall(attack),
                     "a larger ball holds the smaller one, but the steps are longer")]


def largest_fall(rates: Sequence[float] | np.ndarray) -> float:
    """Return the largest fall between neighbours; 0 if the rates never fall."""
    return max(0.0, float((-np.diff(np.asarray(rates, np.float64))).max())) if len(rates) > 1 else 0.0
