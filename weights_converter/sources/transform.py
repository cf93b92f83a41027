"""The transform networks of PyTorch's example fast_neural_style: candy, mosaic, rain princess, udnie, …"""

from minicnn.models.preprocessing import Preprocessing
from weights_converter.sources.layouts import AS_OURS
from weights_converter.sources.source import Source, Target, weights_and_biases

PIXELS = Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 256, 256)  # 0..255, in and out
BLOCKS = [f"res{number}" for number in range(1, 6)]
CONVOLUTIONS = ["conv1", "conv2", "conv3", *(f"{block}/conv{i}" for block in BLOCKS for i in (1, 2)),
                "deconv1", "deconv2", "deconv3"]
NORMALIZATIONS = ["in1", "in2", "in3", *(f"{block}/in{i}" for block in BLOCKS for i in (1, 2)), "in4", "in5"]


def theirs(layer):
    """Their name of a module: ours, with a dot."""
    return layer.replace("/", ".")


def names():
    """{"conv1.conv2d.weight": conv1/w, "in1.weight": in1/gamma, …, "deconv3.conv2d.bias": deconv3/b}."""
    found = weights_and_biases({f"{theirs(layer)}.conv2d": layer for layer in CONVOLUTIONS})
    for layer in NORMALIZATIONS:
        found |= {f"{theirs(layer)}.weight": Target(f"{layer}/gamma", AS_OURS),
                  f"{theirs(layer)}.bias": Target(f"{layer}/beta", AS_OURS)}
    return found


# PyTorch before 0.4 wrote them, though instance norm has no use for them.
STATISTICS = tuple(f"{theirs(layer)}.running_{what}" for layer in NORMALIZATIONS for what in ("mean", "var"))

SOURCES = (
    Source("fast_neural_style", "transform_network", "fast_neural_style", names(),
           1_679_235, "deconv3", PIXELS,
           "PyTorch's example fast_neural_style (arXiv:1603.08155)", "BSD-3-Clause (github.com/pytorch/examples)",
           left_out=STATISTICS, classes=False, note="each style is a file of its own: name it, as in -o candy.h5"),
)
