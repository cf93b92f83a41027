"""The share of pictures that fool the network, against the radius of the ball in which they are attacked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_generator, require_iterable, require_kind, require_number, require_whole
from minicnn.backend import Array, to_device
from minicnn.errors import InputError
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress
from minicnn.visualize.entry import enter, images_for, require_preprocessing, require_scores, require_watchers
from minicnn.visualize.synthesis.ball import on_the_grid, random_change, rounded_pictures
from minicnn.visualize.synthesis.pgd import LINF, PGDSettings, answers, pgd_attack


class EpsilonSweep(NamedTuple):
    """The pictures that fool the network at each radius: arrays on the host.

    epsilons : the radii in levels of 255, (E,). fooled : of the attack, bool (E, N). noise : of random noise of the
    same norm, bool (E, N). sizes : the norm of each change in levels, in the norm of the ball, float64 (E, N).
    """

    epsilons: np.ndarray
    fooled: np.ndarray
    noise: np.ndarray
    sizes: np.ndarray


def epsilon_sweep(net: Network, x: Array, preprocessing: Preprocessing, epsilons: Sequence[float],
                  settings: PGDSettings = LINF, *, batch_size: int = 16, rng: Seed = 0,
                  callback: Callable[[Progress, Array], Any] | None = None,
                  checkpoint: Checkpoint | None = None) -> EpsilonSweep:
    """Return the EpsilonSweep of `pgd_attack` on pictures x, (N, C, H, W), at each of the radii.

    Every picture is rounded to 8 bits, so nothing happens at a radius below one level in the norm "linf".

    Parameters
    ----------
    net, x, preprocessing, settings : as in `pgd_attack`. The epsilon of the settings is replaced.
    epsilons : the radii in levels of 255, each above 0.
    batch_size : the number of pictures that are attacked at the same time.
    rng : the random generator of the starts and of the noise, or a seed.
    callback : called with (Progress, images) after each step. The number of the step counts on over the whole sweep.
    checkpoint : a Checkpoint for resuming an interrupted run; each batch at each radius is a part of it.

    Raises
    ------
    InputError if there is no radius, or if one is not above 0.

    References
    ----------
    Madry et al. 2018 (arXiv:1706.06083), figure 6.

    Examples
    --------
    >>> swept = epsilon_sweep(net, x, model.preprocessing, [1, 8], PGDSettings(num_steps=5))
    >>> swept.fooled.shape, bool((swept.sizes <= swept.epsilons[:, None]).all())
    ((2, 1), True)
    """
    require_scores(net)
    x = images_for(net, x)
    require_preprocessing(preprocessing, net)
    require_kind("settings", settings, PGDSettings, "give PGDSettings(...)")
    require_watchers(callback, checkpoint)
    batch_size, rng = require_whole("batch_size", batch_size, 1), require_generator(rng)
    radii = [require_number("epsilon", epsilon, above=0) for epsilon in require_iterable("epsilons", epsilons, "radii")]
    if not radii:
        raise InputError("the list of epsilons is empty")
    batches = range(0, len(x), batch_size)
    seeds = rng.integers(2**31, size=(len(radii), len(batches))).tolist()  # drawn first: a resumed run has the same
    fooled, noise, sizes = np.zeros((len(radii), len(x)), bool), np.zeros((len(radii), len(x)), bool), \
        np.zeros((len(radii), len(x)))
    done = 0
    for k, epsilon in enumerate(radii):
        chosen = replace(settings, epsilon=epsilon)
        for number, first in enumerate(batches):
            batch, here = enter(net, x[first:first + batch_size]), slice(first, first + batch_size)
            part = None if checkpoint is None else checkpoint.part(f"{k}_{number}")
            _, reports, _ = pgd_attack(net, batch, preprocessing, chosen, rng=seeds[k][number],
                                       callback=counted(callback, done), checkpoint=part)
            fooled[k, here] = [report.fooled for report in reports]
            sizes[k, here] = [getattr(report, settings.norm) for report in reports]
            noise[k, here] = fooled_by_noise(net, batch, preprocessing, chosen, seeds[k][number])
            done += chosen.num_steps
    return EpsilonSweep(np.array(radii), fooled, noise, sizes)


def counted(callback: Callable[[Progress, Array], Any] | None, done: int) -> Callable[[Progress, Array], Any] | None:
    """Return the callback with the numbers of its steps increased by `done`."""
    if callback is None:
        return None
    return lambda progress, images: callback(progress._replace(step=done + progress.step), images)


def fooled_by_noise(net: Network, x: Array, preprocessing: Preprocessing, settings: PGDSettings,
                    rng: Seed) -> np.ndarray:
    """Return whether random noise of norm epsilon changes the network's answer to each 8-bit picture, bool (N,)."""
    originals, x, unit = on_the_grid(net, x, preprocessing)
    change = random_change(x.shape, settings, require_generator(rng))
    pictures = rounded_pictures(x + unit * to_device(change.astype(x.dtype), net.device), x, preprocessing, settings)
    return answers(net, pictures, preprocessing) != answers(net, originals, preprocessing)
