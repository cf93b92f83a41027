"""The objective numbers of images of directions: each image has its own vector, more than photos have it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from minicnn.arguments import Seed, require_generator
from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, above, reported
from minicnn.visualize.synthesis.ascent_check import check_ascent, kept_steps
from minicnn.visualize.synthesis.directions import DirectionSettings, ascent_of, direction_view

KNOWN = 0.8    # cosine from which on a natural patch shows a vector about as well as a picture does, as of a plain wall
# Largest mean cosine of the vectors of two assignments that are compared. The images of vectors that are more alike, as
# of a flat picture or of noise, may differ by chance only.
ALIKE = 0.85
ENOUGH = 24    # steps from which on the comparison with natural patches is judged
FEWEST = 4     # vectors that no natural patch has, from which on the comparison with them is judged
SHUFFLES = 10  # random assignments of the images to the vectors
BATCH = 16     # images in one pass


class DirectionGoal(NamedTuple):
    """What one image maximizes, by the formula: <a, v>^(1 + power) / |a|^power / |v|^power, for `check_ascent`.

    layer : the name. vector : (D,). power : of the cosine. position : (y, x), or None for the mean over all.
    """

    layer: str
    vector: np.ndarray
    power: float
    position: tuple[int, int] | None

    def seed(self, out: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Return the gradient of the objective to the layer's activations, (1, D, H, W)."""
        v, seed = self.vector.astype(np.float64), np.zeros(out.shape)
        H, W = out.shape[2:]
        places = [(y, x) for y in range(H) for x in range(W)] if self.position is None else [self.position]
        for y, x in places:
            a = out[0, :, y, x].astype(np.float64)
            lengths = (float(np.linalg.norm(a)) + 1e-4) * (float(np.linalg.norm(v)) + 1e-4)
            cosine = float(a @ v / lengths)
            if cosine > 0.1:
                # d (<a, v> cos^k) = (1 + k) cos^k v - k <a, v> cos^k a / |a|²
                part = (1 + self.power) * v - self.power * (a @ v) / max(float(a @ a), 1e-30) * a
                seed[0, :, y, x] = cosine**self.power * part
            else:
                seed[0, :, y, x] = 0.1**self.power * v
        return (seed / len(places)).astype(out.dtype)

    def whole_seed(self, out: np.ndarray) -> np.ndarray:
        """Return `seed`."""
        return self.seed(out)


def kept_direction_steps(net: Network, settings: DirectionSettings) -> set[int]:
    """Return the steps of the first batch whose images `check_first_direction` needs."""
    return kept_steps(ascent_of(net, settings))


def check_first_direction(net: Network, layer: str, vectors: np.ndarray, image: np.ndarray,
                          preprocessing: Preprocessing, settings: DirectionSettings,
                          frames: Mapping[int, np.ndarray], seed: Seed) -> list[Check]:
    """Return the Checks that the first image was made by the steps of its settings, done again by the formulas.

    vectors : the directions, (N, D). image : the image of the first vector that is not 0, (C, size, size). frames :
    {step: images of the first batch}. seed : of the run, as `direction_visualization` takes it.
    """
    vector = next((vector for vector in vectors if vector.any()), None)
    if vector is None:
        return [reported("vectors that are not 0", 0)]
    _, position = direction_view(net, layer, image.shape[-1])
    goal = DirectionGoal(net.find(layer), vector, settings.power, None if settings.everywhere else position)
    frames = {step: some[:1] for step, some in frames.items()}
    return check_ascent(net, goal, preprocessing, ascent_of(net, settings), frames, image[None],
                        require_generator(seed), net.find(layer))


def check_directions(net: Network, layer: str, vectors: np.ndarray, images: np.ndarray, natural: np.ndarray,
                     preprocessing: Preprocessing, everywhere: bool, rng: np.random.Generator,
                     grid: tuple[int, int] | None = None, num_steps: int = ENOUGH) -> list[Check]:
    """Return the Checks that each image has the direction of its own vector.

    The mean cosine is larger than that of the strongest natural patches, over the vectors that no patch has, and larger
    than with the images assigned in another way: moved by one place, mirrored, transposed, or shuffled.

    Parameters
    ----------
    net, layer, preprocessing : as in `direction_visualization`.
    vectors : (N, D). Vectors of 0 do not count.
    images : of the vectors, (N, C, size, size); they are measured as 8-bit pictures.
    natural : the largest cosine of a patch of other photos with each vector, (N,); see `strongest_cosines`. Empty:
        there are no photos.
    everywhere : whether the best position of an image counts, or the one in the centre.
    rng : of the random assignments.
    grid : (rows, columns) of the images, if they form a grid. num_steps : of each image.
    """
    there = np.asarray(vectors.any(axis=1))
    if not there.any():
        return [reported("vectors that are not 0", 0)]
    cosines = image_cosines(net, layer, vectors, images, preprocessing, everywhere)  # (images, vectors)
    own = cosines.diagonal()[there]
    checks = [reported("mean cosine of the images with their vectors", own.mean()),
              *check_assignment(cosines, vectors, there, rng, grid)]
    if not len(natural):
        return checks
    strongest = natural[there]
    rare = strongest < KNOWN
    what = "share of the images whose cosine is above that of the strongest natural patch"
    checks.append(reported(f"{what}, of all", (own > strongest).mean(), f"mean of the patches {strongest.mean():.3f}"))
    if rare.sum() < FEWEST or num_steps < ENOUGH:
        return [*checks, reported(f"vectors, of {len(own)}, with no patch above {KNOWN:g}", rare.sum(),
                                  f"too few of them, or of the steps, {num_steps}, to judge")]
    return [*checks, above(f"mean cosine of the images minus that of the strongest natural patches, of {rare.sum()} "
                           f"vectors with no patch above {KNOWN:g}", (own - strongest)[rare].mean(), 0.0)]


def check_assignment(cosines: np.ndarray, vectors: np.ndarray, there: np.ndarray, rng: np.random.Generator,
                     grid: tuple[int, int] | None) -> list[Check]:
    """Return the Check that the images have larger cosines with their own vectors than assigned in any other way."""
    alike = unit(vectors) @ unit(vectors).T
    numbers, own = np.arange(len(vectors)), cosines.diagonal()[there].mean()
    gains = []
    for other in other_assignments(numbers, rng, grid):
        if alike[numbers, other][there].mean() < ALIKE:
            gains.append(float(own - cosines[numbers, other][there].mean()))
    what = "mean cosine with the own vectors, minus that of the best other assignment"
    return [above(f"{what}, of {len(gains)}", min(gains), 0.0)] if gains else [
        reported(what, 0.0, "the vectors are alike")]


def other_assignments(numbers: np.ndarray, rng: np.random.Generator, grid: tuple[int, int] | None) -> list[np.ndarray]:
    """Return permutations of the numbers (N,): moved, mirrored, transposed and shuffled."""
    rows, columns = grid or (1, len(numbers))
    places = numbers.reshape(rows, columns)
    moved = [np.roll(places, shift, axis) for shift in (-1, 1) for axis, side in enumerate((rows, columns)) if side > 1]
    moved += [places[::-1], places[:, ::-1], *([places.T] if rows == columns else [])]
    flat = [place.reshape(-1) for place in moved] + [rng.permutation(numbers) for _ in range(SHUFFLES)]
    return [other for other in flat if (other != numbers).any()]


def image_cosines(net: Network, layer: str, vectors: np.ndarray, images: np.ndarray, preprocessing: Preprocessing,
                  everywhere: bool) -> np.ndarray:
    """Return the cosine of each image, as an 8-bit picture, with each vector, (images, vectors)."""
    y, x = direction_view(net, layer, images.shape[-1])[1]
    rows = []
    for start in range(0, len(images), BATCH):
        seen = preprocessing.to_input(preprocessing.to_images(images[start:start + BATCH]))
        out = to_host(net.predict(to_device(seen, net.device), layer)).astype(np.float64)
        out = out if everywhere else out[:, :, y:y + 1, x:x + 1]
        rows.append([strongest_cosines(vectors, one.reshape(len(one), -1).T) for one in out])
    return np.concatenate(rows)


def strongest_cosines(vectors: np.ndarray, natural: np.ndarray) -> np.ndarray:
    """Return the largest cosine of each of the vectors (N, D) with the vectors of natural patches (P, D), (N,)."""
    return (unit(vectors) @ unit(natural).T).max(axis=1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors (…, D) scaled to length 1; a vector of 0 stays 0."""
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
