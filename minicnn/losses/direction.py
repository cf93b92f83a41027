"""The objective of a direction: an image whose activation vectors point the same way as a given one."""

from dataclasses import dataclass, field

from minicnn.backend import Array, get_array_module
from minicnn.losses.terms import Activations, LossAndSeeds

EPS = 1e-4          # added to both lengths, as in Lucid
LEAST_COSINE = 0.1  # smaller cosines count as this, so that the objective has a gradient at the start, as in Lucid


@dataclass(frozen=True)
class Direction:
    """Sum over images of <a, v> * max(cos(a, v), 0.1) ** power, where a is the activation vector at a position.

    power 0 is the dot product alone: it grows most along the channels with large activations. The cosine makes the
    other channels count.
    Carter et al. 2019, "Activation Atlas" (https://distill.pub/2019/activation-atlas); Lucid's
    `direction_neuron_cossim_S`.

    vectors : one vector v for each image, (N, C). position : (y, x) in the layer's map; None: the mean over all.
    """

    layer: str
    vectors: Array = field(repr=False)
    power: float = 2.0
    position: tuple[int, int] | None = None

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        xp = get_array_module(out)
        places: tuple = ()
        if self.position is not None:
            y, x = self.position
            places = slice(None), slice(None), slice(y, y + 1), slice(x, x + 1)
        a, v = out[places], self.vectors[:, :, None, None]
        dot = (a * v).sum(axis=1, keepdims=True)  # (N, 1, H, W)
        length = xp.sqrt((a * a).sum(axis=1, keepdims=True))
        along = v / (length + EPS) / (xp.sqrt((v * v).sum(axis=1, keepdims=True)) + EPS)  # <a, along> is the cosine
        cosine = (a * along).sum(axis=1, keepdims=True)
        factor = xp.maximum(cosine, LEAST_COSINE)
        # d cosine / da = along - cosine / |a| * a / |a|; below 0.1 the factor is constant
        dcosine = along - cosine / (length + EPS) * (a / xp.maximum(length, EPS))
        slope = xp.where(cosine > LEAST_COSINE, self.power * factor ** (self.power - 1), 0)
        count = a[0, 0].size
        seed = xp.zeros_like(out)
        seed[places] = (factor ** self.power * v + dot * slope * dcosine) / count
        return float((dot * factor ** self.power).sum()) / count, {self.layer: seed}
