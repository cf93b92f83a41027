"""t-SNE: a map of points on which neighbours stay neighbours."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn.arguments import (
    Seed,
    count_of,
    describe,
    require_choice,
    require_fields,
    require_generator,
    require_kind,
    require_number,
)
from minicnn.backend import Array, Generator, device_of, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.visualize.arrays import as_floats
from minicnn.visualize.embedding.affinities import METHODS, affinities
from minicnn.visualize.embedding.fft_forces import Grid, fft_repulsion, fit_grid
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne_forces import (
    Affinities,
    Pairs,
    cross_entropy,
    exact_attraction,
    exact_repulsion,
    sparse_attraction,
)
from minicnn.visualize.entry import require_watchers

REPORT_EVERY = 10  # steps between two values of the divergence, which takes time


@dataclass(frozen=True)
class TsneSettings:
    """The settings of `tsne`."""

    perplexity: float = 30.0            # effective number of neighbours of a point
    num_steps: int = 1000               # number of steps
    exaggeration: float = 4.0           # factor of the affinities in the first steps
    exaggerated_steps: int = 250        # number of these first steps
    learning_rate: float | None = None  # factor of a quarter of the gradient, as in van der Maaten's bhtsne. None: the
    #                                     larger of min(200, N) and N / exaggeration, as 200 may scatter few points
    momentum: tuple[float, float] = (0.5, 0.8)  # in the exaggerated steps, and in the others
    method: str = "auto"                # "exact", "fft" (Linderman et al. 2019, arXiv:1712.09005) or "auto", by N

    def __post_init__(self) -> None:
        require_fields(self, num_steps=0, exaggerated_steps=0, learning_rate=0)
        require_number("exaggeration", self.exaggeration, above=0)
        require_choice("method", self.method, METHODS)
        if count_of(self.momentum) != 2:
            raise InputError(f"momentum is {describe(self.momentum)}; expected two numbers")
        for share in self.momentum:
            require_number("momentum", share, 0, below=1)


DEFAULT = TsneSettings()


def tsne(x: Array, settings: TsneSettings = DEFAULT, *, rng: Seed, initial: Array | None = None,
         callback: Callable[[int, float, Array], Any] | None = None) -> tuple[Array, list[tuple[int, float]]]:
    """Return a map of points x (N, D): positions (N, 2) on the host, and the history [(step, divergence)].

    Gradient descent minimises the Kullback-Leibler divergence, with momentum and with gains: the gain of a coordinate
    grows by 0.2 while its direction stays the same, and is multiplied by 0.8 when it turns.

    Parameters
    ----------
    rng : draws noise with a standard deviation of 1e-6, which separates equal points at the start; or a seed.
    initial : the first positions, (N, 2). By default, `first_positions`.
    callback : called with (step, divergence, positions) at every tenth step and at the last one. If it returns a true
        value, the descent ends.

    Raises InputError if x is not a finite array (N, D), has too few points for the perplexity, or the map diverges.

    References
    ----------
    van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008.

    >>> from minicnn.visualize import TsneSettings
    >>> tsne(rng.standard_normal((20, 5)), TsneSettings(perplexity=5, num_steps=10), rng=rng)[0].shape
    (20, 2)
    """
    x, rng = as_floats("points", x, "(N, D)", 2), require_generator(rng)
    require_kind("settings", settings, TsneSettings, "give TsneSettings(...)")
    require_watchers(callback)
    xp = get_array_module(x)
    p = affinities(x, settings.perplexity, settings.method)
    positions = map_positions(x, first_positions(x, rng) if initial is None else initial)
    N, dtype = len(x), positions.dtype
    learning_rate = dtype.type(settings.learning_rate or max(min(200, N), N / settings.exaggeration))
    update, gains = xp.zeros_like(positions), xp.ones_like(positions)
    grid: Grid | None = None
    history: list[tuple[int, float]] = []
    for step in range(1, settings.num_steps + 1):
        early = step <= settings.exaggerated_steps
        repulsive, z, grid = repulsion(p, positions, grid)
        gradient = attraction(p, positions)
        if early:
            gradient *= dtype.type(settings.exaggeration)
        gradient -= (repulsive / z).astype(dtype)
        if step % REPORT_EVERY == 0 or step == settings.num_steps:
            history.append((step, finite_divergence(p, positions, z)))
            if callback and callback(*history[-1], positions):
                break
        turned = (gradient > 0) == (update > 0)  # an update that keeps its direction is opposite to the gradient
        gains = xp.maximum(xp.where(turned, gains * dtype.type(0.8), gains + dtype.type(0.2)), dtype.type(0.01))
        update = dtype.type(settings.momentum[0 if early else 1]) * update - learning_rate * gains * gradient
        positions = positions + update
        positions -= positions.mean(axis=0)
    return to_host(positions), history


def map_positions(x: Array, initial: Array) -> Array:
    """Return the initial positions (N, 2) on the device of x (N, D) and in its precision, at least float32."""
    initial = as_floats("initial positions", initial, "(N, 2)", 2)
    if initial.shape != (len(x), 2):
        raise InputError(f"{len(x):,} points need {len(x):,} initial positions of two numbers, not {initial.shape}")
    return to_device(initial, device_of(x)).astype(np.result_type(x.dtype, np.float32))


def first_positions(x: Array, rng: Generator) -> Array:
    """Return the first two principal components of x (N, D) plus a little noise, (N, 2).

    The standard deviation of the first component is scaled to 1e-4.
    With this start, the map keeps the large-scale order and is the same for each run. Kobak and Berens 2019
    (arXiv:1902.00910).
    """
    noise = to_device(1e-6 * rng.standard_normal((len(x), 2)), device_of(x))
    found = pca(x, min(2, x.shape[1])).positions
    spread = float(found[:, 0].std()) or 1.0
    noise[:, :found.shape[1]] += found * (1e-4 / spread)
    return noise


def kl_divergence(p: Affinities, positions: Array, z: Any = None) -> float:
    """Return the Kullback-Leibler divergence of the map (N, 2) from the affinities p, in nats. z : Z, if known."""
    if z is None:
        z = repulsion(p, positions, None)[1]
    total = (p.values if isinstance(p, Pairs) else p).sum(dtype="float64")
    return float(cross_entropy(p, positions) + total * get_array_module(positions).log(z))


def finite_divergence(p: Affinities, positions: Array, z: Any) -> float:
    """Return `kl_divergence`. Raises InputError if it is not finite."""
    divergence = kl_divergence(p, positions, z)
    if not math.isfinite(divergence):
        raise InputError("the divergence of the map is not finite any more; take a smaller learning rate")
    return divergence


def kl_gradient(p: Affinities, positions: Array) -> Array:
    """Return the gradient of `kl_divergence` to the positions, (N, 2): van der Maaten and Hinton 2008, equation 5."""
    repulsive, z, _ = repulsion(p, positions, None)
    return 4 * (attraction(p, positions) - repulsive / z)


def attraction(p: Affinities, positions: Array) -> Array:
    """Return the sum over j of p_ij K (y_i - y_j), (N, 2)."""
    return sparse_attraction(p, positions) if isinstance(p, Pairs) else exact_attraction(p, positions)


def repulsion(p: Affinities, positions: Array, grid: Grid | None) -> tuple[Array, Any, Grid | None]:
    """Return (the sum over j of K² (y_i - y_j), (N, 2); Z; the grid for the next step), exact if p is exact."""
    if not isinstance(p, Pairs):
        return *exact_repulsion(positions), None
    grid = fit_grid(positions, grid)
    return *fft_repulsion(positions, grid), grid
