"""The transform networks of PyTorch's example fast_neural_style: candy, mosaic, rain princess, udnie, …"""

from minicnn.models.preprocessing import Preprocessing

from .layouts import AS_OURS
from .source import Source, Target, weights_and_biases

PIXELS = Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 256, 256)  # values 0 to 255, of input and output
BLOCKS = [f"res{number}" for number in range(1, 6)]
CONVOLUTIONS = ["conv1", "conv2", "conv3", *(f"{block}/conv{i}" for block in BLOCKS for i in (1, 2)),
                "deconv1", "deconv2", "deconv3"]
NORMALIZATIONS = ["in1", "in2", "in3", *(f"{block}/in{i}" for block in BLOCKS for i in (1, 2)), "in4", "in5"]


def module_name(layer: str) -> str:
    """Return the example's name of a layer: res1.conv1 for res1/conv1."""
    return layer.replace("/", ".")


def names() -> dict[str, Target]:
    """Return {"conv1.conv2d.weight": conv1/w, "in1.weight": in1/gamma, …, "deconv3.conv2d.bias": deconv3/b}."""
    targets = weights_and_biases({f"{module_name(layer)}.conv2d": layer for layer in CONVOLUTIONS})
    for layer in NORMALIZATIONS:
        targets |= {f"{module_name(layer)}.weight": Target(f"{layer}/gamma", AS_OURS),
                    f"{module_name(layer)}.bias": Target(f"{layer}/beta", AS_OURS)}
    return targets


# PyTorch before 0.4 wrote running statistics, which instance normalization does not use.
STATISTICS = tuple(f"{module_name(layer)}.running_{statistic}" for layer in NORMALIZATIONS
                   for statistic in ("mean", "var"))

SOURCES = (
    Source("fast_neural_style", "transform_network", "fast_neural_style", names(),
           1_679_235, "deconv3", PIXELS,
           "PyTorch's example fast_neural_style (arXiv:1603.08155)", "BSD-3-Clause (github.com/pytorch/examples)",
           left_out=STATISTICS, classes=False,
           note="each style is a file of its own; name the output after it, as in -o candy.h5"),
)
