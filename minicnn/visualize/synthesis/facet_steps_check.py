"""Steps of a multifaceted visualization done again: window, step length, clamp and denoising."""

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.replay_check import Redone, input_gradient
from minicnn.visualize.synthesis.multifaceted import Stage


def kept_facet_steps(stages: Sequence[Stage]) -> set[int]:
    """Return the steps whose images `redo_facet_steps` needs."""
    last = sum(stage.num_steps for stage in stages)
    return {step for step in (1, last - 1) if step > 0}


def redo_facet_steps(net: Network, label: int, start: np.ndarray, image: np.ndarray | None,
                     frames: Mapping[int, np.ndarray], preprocessing: Preprocessing, stages: Sequence[Stage],
                     rng: np.random.Generator) -> list[Redone]:
    """Return the first and the last step of one image, Redone by the formulas; `check_redone` judges all images.

    Parameters
    ----------
    net, label, preprocessing, stages : as in `facet_visualization`.
    start : the first image, (C, H, H): the facet's own.
    image : the result, (1, C, S, S) on the host; None after a run that was stopped.
    frames : {step: image} for the steps of `kept_facet_steps`. Steps without an image are skipped.
    rng : a generator with the seed of the windows.
    """
    last = sum(stage.num_steps for stage in stages)
    images = {0: start[None].astype(np.float32), **frames, **({} if image is None else {last: image})}
    size, full, number, redone = start.shape[-1], start.shape[-1], 0, []
    for stage in stages:
        full = round(full * stage.scale) if stage.scale != 1 else full
        for count in range(stage.num_steps):
            room, number = full - size, number + 1
            corner = np.clip(rng.normal(room / 2, room * stage.spread, 2), 0, room).astype(int).tolist()
            before, after = images.get(number - 1), images.get(number)
            # the first step of an enlarged stage starts from an image that was not kept
            if number in {1, last} and before is not None and after is not None and before.shape == after.shape:
                redone.append(Redone(number, before, after, stepped(net, label, before, corner, size, stage, count,
                                                                    preprocessing)))
    return redone


def stepped(net: Network, label: int, x: np.ndarray, corner: Sequence[int], size: int, stage: Stage, count: int,
            preprocessing: Preprocessing) -> np.ndarray:
    """Return the image after step number `count`, from 0, of a stage, from the image x (1, C, S, S).

    corner : the upper left corner of the window of `size` pixels that the network is shown.
    """
    (y, across), level, margin = corner, preprocessing.unit, round(stage.margin * size / 227)
    output, share = net.output, count / stage.num_steps

    def seed(out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        wanted = np.zeros_like(out[output])
        wanted[0, label] = 1
        return {output: wanted}
    inside = input_gradient(net, x[:, :, y:y + size, across:across + size], [output], seed)
    gradient = np.zeros(x.shape)
    gradient[:, :, y + margin:y + size - margin, across + margin:across + size - margin] = \
        inside[:, :, margin:size - margin, margin:size - margin]
    length = level * (stage.first_step + (stage.last_step - stage.first_step) * share)
    x = x + length / max(float(abs(gradient).mean()), 1e-30) * gradient
    x = np.clip(x, *preprocessing.valid_range())
    # the authors' code adds the share of the last weight to the first one
    weight = level * size / 227 / (stage.first_weight + stage.last_weight * share)
    return denoised(x, weight)


def denoised(x: np.ndarray, weight: float, num_steps: int = 10) -> np.ndarray:
    """Return x (N, C, H, W) after Chambolle's iteration (2004, equation 9) for the weight of total variation."""
    p, u = np.zeros((2, *x.shape)), x
    for _ in range(num_steps):
        slope = np.stack([np.diff(u, axis=2, append=u[:, :, -1:]), np.diff(u, axis=3, append=u[..., -1:])])
        p = (p + slope / 4) / (1 + np.sqrt((slope**2).sum(axis=0)) / (4 * weight))
        divergence = np.diff(p[0], axis=2, prepend=0) + np.diff(p[1], axis=3, prepend=0)
        u = x + divergence
    return u
