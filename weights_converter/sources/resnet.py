"""ResNet-18 of torchvision."""

from minicnn.models.preprocessing import TORCHVISION

from .layouts import AS_OURS
from .source import Source, Target

# torchvision's names -> minicnn's. The first block of stages 2 to 4 has a 1x1 convolution in its shortcut.
CONVOLUTIONS = {
    "conv1": "conv1",
    "layer1.0.conv1": "res2a_branch2a", "layer1.0.conv2": "res2a_branch2b",
    "layer1.1.conv1": "res2b_branch2a", "layer1.1.conv2": "res2b_branch2b",
    "layer2.0.conv1": "res3a_branch2a", "layer2.0.conv2": "res3a_branch2b", "layer2.0.downsample.0": "res3a_branch1",
    "layer2.1.conv1": "res3b_branch2a", "layer2.1.conv2": "res3b_branch2b",
    "layer3.0.conv1": "res4a_branch2a", "layer3.0.conv2": "res4a_branch2b", "layer3.0.downsample.0": "res4a_branch1",
    "layer3.1.conv1": "res4b_branch2a", "layer3.1.conv2": "res4b_branch2b",
    "layer4.0.conv1": "res5a_branch2a", "layer4.0.conv2": "res5a_branch2b", "layer4.0.downsample.0": "res5a_branch1",
    "layer4.1.conv1": "res5b_branch2a", "layer4.1.conv2": "res5b_branch2b",
}
NORMALIZATIONS = {
    "bn1": "bn1",
    "layer1.0.bn1": "bn2a_branch2a", "layer1.0.bn2": "bn2a_branch2b",
    "layer1.1.bn1": "bn2b_branch2a", "layer1.1.bn2": "bn2b_branch2b",
    "layer2.0.bn1": "bn3a_branch2a", "layer2.0.bn2": "bn3a_branch2b", "layer2.0.downsample.1": "bn3a_branch1",
    "layer2.1.bn1": "bn3b_branch2a", "layer2.1.bn2": "bn3b_branch2b",
    "layer3.0.bn1": "bn4a_branch2a", "layer3.0.bn2": "bn4a_branch2b", "layer3.0.downsample.1": "bn4a_branch1",
    "layer3.1.bn1": "bn4b_branch2a", "layer3.1.bn2": "bn4b_branch2b",
    "layer4.0.bn1": "bn5a_branch2a", "layer4.0.bn2": "bn5a_branch2b", "layer4.0.downsample.1": "bn5a_branch1",
    "layer4.1.bn1": "bn5b_branch2a", "layer4.1.bn2": "bn5b_branch2b",
}
STATISTICS = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}


def names() -> dict[str, Target]:
    """Return {"conv1.weight": conv1/w, "bn1.weight": bn1/gamma, …, "fc.bias": fc1000/b}."""
    keys = {f"{source}.weight": f"{layer}/w" for source, layer in CONVOLUTIONS.items()}
    keys |= {f"{source}.{name}": f"{layer}/{key}"
             for source, layer in NORMALIZATIONS.items() for name, key in STATISTICS.items()}
    keys |= {"fc.weight": "fc1000/w", "fc.bias": "fc1000/b"}
    return {source: Target(key, AS_OURS) for source, key in keys.items()}


SOURCES = (
    Source("resnet18", "resnet18", "torchvision", names(), 11_689_512, "relu5b", TORCHVISION,
           "torchvision: resnet18, trained on ImageNet (arXiv:1512.03385)", "BSD-3-Clause (torchvision)"),
)
