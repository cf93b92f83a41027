"""The same networks a second time, in PyTorch, written as torchvision and Caffe define them.

Modules carry torchvision's (or Caffe's) names; the *_NAMES tables say which name of minicnn's each one is.
Gradients come from autograd. Importing this without PyTorch skips the importing test file.
"""

from collections import OrderedDict
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed (the extra named peers)")
F, nn = torch.nn.functional, torch.nn
torch.set_num_threads(1)  # its threads and NumPy's BLAS threads would wait for each other's cores

# ---- the ReLU and its two other rules ----------------------------------------------------------------------


class Guided(torch.autograd.Function):
    """Springenberg et al. 2014: back where the input and the gradient are positive."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dout):
        x, = ctx.saved_tensors
        return torch.where((x > 0) & (dout > 0), dout, torch.zeros_like(dout))


class Deconvnet(torch.autograd.Function):
    """Zeiler and Fergus 2014: back where the gradient is positive, whatever the input was."""

    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dout):
        return dout.clamp(min=0)


RULES = {"plain": F.relu, "guided": Guided.apply, "deconvnet": Deconvnet.apply}


class Rectifier(nn.Module):
    """A ReLU whose way back can be chosen."""

    rule = "plain"

    def forward(self, x):
        return RULES[self.rule](x)


# ---- torchvision's networks --------------------------------------------------------------------------------


class VGG(nn.Module):
    """torchvision.models.vgg: a list of widths, "M" for a pool."""

    def __init__(self, widths, pool=nn.MaxPool2d, padding_mode="zeros", num_classes=1000):
        super().__init__()
        layers, channels = [], 3
        for width in widths:
            if width == "M":
                layers += [pool(kernel_size=2, stride=2)]
            else:
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1, padding_mode=padding_mode),
                           Rectifier()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), Rectifier(), nn.Dropout(),
            nn.Linear(4096, 4096), Rectifier(), nn.Dropout(),
            nn.Linear(4096, num_classes))

    def forward(self, x):
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


def vgg_features(widths, end=None, **options):
    """The first `end` modules of a VGG's features, under the names that they have there."""
    return nn.Sequential(OrderedDict(features=VGG(widths, **options).features[:end]))


def vgg_classifier():
    """What a VGG does after its features."""
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), classifier=VGG([]).classifier))


VGG_D = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
VGG_E = [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M",
         512, 512, 512, 512, "M", 512, 512, 512, 512, "M"]


class AlexNet(nn.Module):
    """torchvision.models.alexnet."""

    def __init__(self, num_classes=1000):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2), Rectifier(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2), Rectifier(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1), Rectifier(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1), Rectifier(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1), Rectifier(),
            nn.MaxPool2d(kernel_size=3, stride=2))
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), Rectifier(),
            nn.Dropout(), nn.Linear(4096, 4096), Rectifier(),
            nn.Linear(4096, num_classes))

    def forward(self, x):
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


class Fire(nn.Module):
    """torchvision.models.squeezenet.Fire."""

    def __init__(self, channels, squeeze, expand1x1, expand3x3):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, kernel_size=1)
        self.squeeze_activation = Rectifier()
        self.expand1x1 = nn.Conv2d(squeeze, expand1x1, kernel_size=1)
        self.expand1x1_activation = Rectifier()
        self.expand3x3 = nn.Conv2d(squeeze, expand3x3, kernel_size=3, padding=1)
        self.expand3x3_activation = Rectifier()

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat([self.expand1x1_activation(self.expand1x1(x)),
                          self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """torchvision.models.squeezenet, and with `conv10_pad` 1 the authors' own 1.0."""

    def __init__(self, version, ceil_mode=True, conv10_pad=0, num_classes=1000):
        super().__init__()

        def pool():
            return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=ceil_mode)

        if version == "1_0":
            self.features = nn.Sequential(
                nn.Conv2d(3, 96, kernel_size=7, stride=2), Rectifier(), pool(),
                Fire(96, 16, 64, 64), Fire(128, 16, 64, 64), Fire(128, 32, 128, 128), pool(),
                Fire(256, 32, 128, 128), Fire(256, 48, 192, 192), Fire(384, 48, 192, 192),
                Fire(384, 64, 256, 256), pool(),
                Fire(512, 64, 256, 256))
        else:
            self.features = nn.Sequential(
                nn.Conv2d(3, 64, kernel_size=3, stride=2), Rectifier(), pool(),
                Fire(64, 16, 64, 64), Fire(128, 16, 64, 64), pool(),
                Fire(128, 32, 128, 128), Fire(256, 32, 128, 128), pool(),
                Fire(256, 48, 192, 192), Fire(384, 48, 192, 192), Fire(384, 64, 256, 256),
                Fire(512, 64, 256, 256))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(512, num_classes, kernel_size=1, padding=conv10_pad), Rectifier(),
            nn.AdaptiveAvgPool2d(1))
        self.flatten = nn.Flatten()

    def forward(self, x):
        return self.flatten(self.classifier(self.features(x)))


class BasicBlock(nn.Module):
    """torchvision.models.resnet.BasicBlock, with a ReLU object for each use and the sum under a name."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = Rectifier()
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(width))
        self.sum = nn.Identity()
        self.relu2 = Rectifier()

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu2(self.sum(out + identity))


class ResNet18(nn.Module):
    """torchvision.models.resnet18."""

    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = Rectifier()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.avgpool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(512, num_classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x))


# ---- Caffe's network, and the two small ones ---------------------------------------------------------------


def caffenet(num_classes=1000):
    """bvlc_reference_caffenet's deploy.prototxt, line by line.

    Caffe's pools round up; its LRN divides alpha by the size, as nn.LocalResponseNorm does.
    """
    return nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(3, 96, kernel_size=11, stride=4)),
        ("relu1", Rectifier()),
        ("pool1", nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)),
        ("norm1", nn.LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=1.0)),
        ("conv2", nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2)),
        ("relu2", Rectifier()),
        ("pool2", nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)),
        ("norm2", nn.LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=1.0)),
        ("conv3", nn.Conv2d(256, 384, kernel_size=3, padding=1)),
        ("relu3", Rectifier()),
        ("conv4", nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2)),
        ("relu4", Rectifier()),
        ("conv5", nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2)),
        ("relu5", Rectifier()),
        ("pool5", nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)),
        ("flatten", nn.Flatten()),
        ("fc6", nn.Linear(9216, 4096)),
        ("relu6", Rectifier()),
        ("drop6", nn.Dropout()),
        ("fc7", nn.Linear(4096, 4096)),
        ("relu7", Rectifier()),
        ("drop7", nn.Dropout()),
        ("fc8", nn.Linear(4096, num_classes)),
    ]))


def digits(drop4=None):
    """MNIST's: three convolutions, two fully connected layers; `drop4`: a module instead of Dropout."""
    return nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(1, 16, kernel_size=5, padding=2)), ("relu1", Rectifier()),
        ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(16, 32, kernel_size=3, padding=1)), ("relu2", Rectifier()),
        ("pool2", nn.MaxPool2d(2)),
        ("conv3", nn.Conv2d(32, 64, kernel_size=3, padding=1)), ("relu3", Rectifier()),
        ("flatten", nn.Flatten()),
        ("drop4", nn.Dropout(0.3) if drop4 is None else drop4),
        ("fc4", nn.Linear(3136, 64)), ("relu4", Rectifier()), ("fc5", nn.Linear(64, 10)),
    ]))


def shapes():
    """The drawn shapes' network: five convolutions, the mean, twelve scores."""
    return nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(3, 24, kernel_size=7, padding=3)), ("relu1", Rectifier()),
        ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(24, 32, kernel_size=3, padding=1)), ("relu2", Rectifier()),
        ("pool2", nn.MaxPool2d(2)),
        ("conv3", nn.Conv2d(32, 64, kernel_size=3, padding=1)), ("relu3", Rectifier()),
        ("pool3", nn.MaxPool2d(2)),
        ("conv4", nn.Conv2d(64, 96, kernel_size=3, padding=1)), ("relu4", Rectifier()),
        ("conv5", nn.Conv2d(96, 96, kernel_size=3, padding=1)), ("relu5", Rectifier()),
        ("pool5", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())), ("fc6", nn.Linear(96, 12)),
    ]))


class Photos(nn.Module):
    """The shipped classifier of photographs: a convolution of 7x7, seven Fire modules, and a classifier of 1x1."""

    def __init__(self, num_classes):
        super().__init__()
        pool = partial(nn.MaxPool2d, kernel_size=3, stride=2, ceil_mode=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, kernel_size=7, stride=2, padding=3), Rectifier(), pool(),
            Fire(32, 16, 32, 32), Fire(64, 16, 48, 48), pool(),
            Fire(96, 24, 64, 64), Fire(128, 32, 96, 96), pool(),
            Fire(192, 48, 128, 128), Fire(256, 64, 192, 192), Fire(384, 64, 192, 192))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(384, num_classes, kernel_size=1))
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        return self.mean(self.classifier(self.features(x)))


# ---- PyTorch's example fast_neural_style ---------------------------------------------------------------------


class ConvLayer(nn.Module):
    """fast_neural_style's ConvLayer and, with `upsample`, UpsampleConvLayer."""

    def __init__(self, channels, filters, kernel_size, stride=1, upsample=1):
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=upsample, mode="nearest")
        self.reflection_pad = nn.ReflectionPad2d(kernel_size // 2)
        self.conv2d = nn.Conv2d(channels, filters, kernel_size, stride)

    def forward(self, x):
        return self.conv2d(self.reflection_pad(self.upsample(x)))


class ResidualBlock(nn.Module):
    """fast_neural_style's."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, kernel_size=3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.relu = Rectifier()
        self.conv2 = ConvLayer(channels, channels, kernel_size=3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x):
        return self.in2(self.conv2(self.relu(self.in1(self.conv1(x))))) + x


class TransformerNet(nn.Module):
    """fast_neural_style's, whose files have these widths and five blocks; with a ReLU object for each use."""

    def __init__(self, widths=(32, 64, 128), num_blocks=5):
        super().__init__()
        full, half, quarter = widths
        self.conv1 = ConvLayer(3, full, kernel_size=9)
        self.in1 = nn.InstanceNorm2d(full, affine=True)
        self.conv2 = ConvLayer(full, half, kernel_size=3, stride=2)
        self.in2 = nn.InstanceNorm2d(half, affine=True)
        self.conv3 = ConvLayer(half, quarter, kernel_size=3, stride=2)
        self.in3 = nn.InstanceNorm2d(quarter, affine=True)
        self.blocks = [f"res{number}" for number in range(1, num_blocks + 1)]
        for block in self.blocks:
            self.add_module(block, ResidualBlock(quarter))
        self.deconv1 = ConvLayer(quarter, half, kernel_size=3, upsample=2)
        self.in4 = nn.InstanceNorm2d(half, affine=True)
        self.deconv2 = ConvLayer(half, full, kernel_size=3, upsample=2)
        self.in5 = nn.InstanceNorm2d(full, affine=True)
        self.deconv3 = ConvLayer(full, 3, kernel_size=9)
        for number in range(1, 6):
            self.add_module(f"relu{number}", Rectifier())

    def forward(self, x):
        x = self.relu1(self.in1(self.conv1(x)))
        x = self.relu2(self.in2(self.conv2(x)))
        x = self.relu3(self.in3(self.conv3(x)))
        for block in self.blocks:
            x = self.get_submodule(block)(x)
        x = self.relu4(self.in4(self.deconv1(x)))
        x = self.relu5(self.in5(self.deconv2(x)))
        return self.deconv3(x)


# ---- which module is which of minicnn's layers: {module: layer} --------------------------------------------


def numbered(prefix, layers):
    """{"features.0": first, "features.1": second, …}."""
    return {f"{prefix}.{index}": layer for index, layer in enumerate(layers.split())}


VGG_CLASSIFIER = numbered("classifier", "fc6 relu6 drop6 fc7 relu7 drop7 fc8") | {"flatten": "flatten"}
VGG16_TRUNK = numbered(
    "features", "conv1_1 relu1_1 conv1_2 relu1_2 pool1 conv2_1 relu2_1 conv2_2 relu2_2 pool2 "
    "conv3_1 relu3_1 conv3_2 relu3_2 conv3_3 relu3_3 pool3 "
    "conv4_1 relu4_1 conv4_2 relu4_2 conv4_3 relu4_3 pool4 "
    "conv5_1 relu5_1 conv5_2 relu5_2 conv5_3 relu5_3 pool5")
VGG19_TRUNK = numbered(
    "features", "conv1_1 relu1_1 conv1_2 relu1_2 pool1 conv2_1 relu2_1 conv2_2 relu2_2 pool2 "
    "conv3_1 relu3_1 conv3_2 relu3_2 conv3_3 relu3_3 conv3_4 relu3_4 pool3 "
    "conv4_1 relu4_1 conv4_2 relu4_2 conv4_3 relu4_3 conv4_4 relu4_4 pool4 "
    "conv5_1 relu5_1 conv5_2 relu5_2 conv5_3 relu5_3 conv5_4 relu5_4 pool5")
ALEXNET_NAMES = (
    numbered("features", "conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5")
    | numbered("classifier", "drop6 fc6 relu6 drop7 fc7 relu7 fc8") | {"flatten": "flatten"})


def squeezenet_names(features):
    """{module: layer} from the list of the feature modules, each fire opened up into its seven parts."""
    names = {}
    for module, layer in numbered("features", features).items():
        if layer.startswith("fire"):
            names |= {f"{module}.squeeze": f"{layer}/squeeze1x1",
                      f"{module}.squeeze_activation": f"{layer}/relu_squeeze1x1",
                      f"{module}.expand1x1": f"{layer}/expand1x1",
                      f"{module}.expand1x1_activation": f"{layer}/relu_expand1x1",
                      f"{module}.expand3x3": f"{layer}/expand3x3",
                      f"{module}.expand3x3_activation": f"{layer}/relu_expand3x3",
                      module: f"{layer}/concat"}
        else:
            names[module] = layer
    return names | {"classifier.0": "drop9", "classifier.1": "conv10", "classifier.2": "relu_conv10",
                    "flatten": "pool10"}


SQUEEZENET1_0_NAMES = squeezenet_names(
    "conv1 relu_conv1 pool1 fire2 fire3 fire4 pool4 fire5 fire6 fire7 fire8 pool8 fire9")
SQUEEZENET1_1_NAMES = squeezenet_names(
    "conv1 relu_conv1 pool1 fire2 fire3 pool3 fire4 fire5 pool5 fire6 fire7 fire8 fire9")


def resnet18_names():
    """{module: layer}: layer1.0 is Caffe's block 2a, layer4.1 is 5b."""
    names = {"conv1": "conv1", "bn1": "bn1", "relu": "relu1", "maxpool": "pool1",
             "avgpool": "pool5", "fc": "fc1000"}
    for module, block in (("layer1.0", "2a"), ("layer1.1", "2b"), ("layer2.0", "3a"), ("layer2.1", "3b"),
                          ("layer3.0", "4a"), ("layer3.1", "4b"), ("layer4.0", "5a"), ("layer4.1", "5b")):
        names |= {f"{module}.conv1": f"res{block}_branch2a", f"{module}.bn1": f"bn{block}_branch2a",
                  f"{module}.relu1": f"relu{block}_branch2a",
                  f"{module}.conv2": f"res{block}_branch2b", f"{module}.bn2": f"bn{block}_branch2b",
                  f"{module}.sum": f"res{block}", f"{module}.relu2": f"relu{block}"}
        if block in ("3a", "4a", "5a"):
            names |= {f"{module}.downsample.0": f"res{block}_branch1",
                      f"{module}.downsample.1": f"bn{block}_branch1"}
    return names


RESNET18_NAMES = resnet18_names()
CAFFENET_NAMES = {name: name for name in (
    "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 flatten "
    "fc6 relu6 drop6 fc7 relu7 drop7 fc8").split()}
DIGITS_NAMES = {name: name for name in (
    "conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 flatten drop4 fc4 relu4 fc5").split()}
SHAPES_NAMES = {name: name for name in (
    "conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 pool3 conv4 relu4 conv5 relu5 pool5 fc6").split()}

PHOTOS_NAMES = {module: layer for module, layer in squeezenet_names(
    "conv1 relu_conv1 pool1 fire2 fire3 pool3 fire4 fire5 pool5 fire6 fire7 fire8").items()
    if module.startswith("features")} | {"classifier.0": "drop8", "classifier.1": "conv9", "mean": "pool9"}


def transform_names(num_blocks=5):
    """{module: layer} of fast_neural_style."""
    blocks = [f"res{number}" for number in range(1, num_blocks + 1)]
    convolutions = ["conv1", "conv2", "conv3", *(f"{block}.conv{i}" for block in blocks for i in (1, 2)),
                    "deconv1", "deconv2", "deconv3"]
    same = [f"{kind}{i}" for kind in ("in", "relu") for i in range(1, 6)] + blocks
    same += [f"{block}.{part}" for block in blocks for part in ("in1", "relu1", "in2")]
    names = {module.replace("relu1", "relu") if "." in module else module: module.replace(".", "/") for module in same}
    for module in convolutions:
        layer = module.replace(".", "/")
        names |= {f"{module}.conv2d": layer, f"{module}.reflection_pad": f"{layer}_pad"}
    return names | {"deconv1.upsample": "up1", "deconv2.upsample": "up2"}


# ---- running them ------------------------------------------------------------------------------------------

PARTS = {"w": "weight", "b": "bias", "gamma": "weight", "beta": "bias",
         "mean": "running_mean", "var": "running_var"}


def with_parameters_of(net, build, names):
    """The module that `build()` makes, in evaluation mode, on the very arrays of the minicnn network `net`.

    Strict: every parameter of either side must have found its partner in `names`.
    """
    with torch.device("meta"):  # no memory and no first values yet
        module = build()
    state, used = {}, set()
    for path, name in names.items():
        layer = net.layer(name)
        for key, array in {**layer.params, **layer.buffers}.items():
            state[f"{path}.{PARTS[key]}"] = torch.from_numpy(array)
        if isinstance(module.get_submodule(path), nn.BatchNorm2d):
            state[f"{path}.num_batches_tracked"] = torch.tensor(0)
        used.add(name)
    assert set(net.parameter_layers()) <= used
    module.load_state_dict(state, strict=True, assign=True)
    return module.requires_grad_(False).eval()


def activations(module, names, x):
    """{minicnn's layer: tensor} of one pass of the tensor `x`, still attached to it; "input" is `x`."""
    kept, handles = {"input": x}, []
    for path, name in names.items():
        def keep(_, inputs, out, name=name):
            kept[name] = out
        handles.append(module.get_submodule(path).register_forward_hook(keep))
    module(x)
    for handle in handles:
        handle.remove()
    return kept


def gradients(module, names, x, seeds, wrt=("input",), rule="plain"):
    """{layer: the gradient, as an array, of the sum over `seeds` of <activation, seed>}, by autograd.

    `seeds` may be a list of such dictionaries: then a list of as many answers, from one forward pass.
    """
    for part in module.modules():
        if isinstance(part, Rectifier):
            part.rule = rule
    kept = activations(module, names, torch.from_numpy(x).requires_grad_(True))
    answers = []
    for group in [seeds] if isinstance(seeds, dict) else seeds:
        value = sum((kept[name] * torch.from_numpy(seed)).sum() for name, seed in group.items())
        found = torch.autograd.grad(value, [kept[name] for name in wrt], retain_graph=True)
        answers.append({name: gradient.numpy() for name, gradient in zip(wrt, found, strict=True)})
    return answers[0] if isinstance(seeds, dict) else answers


def smooth_image(rng, shape):
    """Random x of `shape`: slow waves and a little noise, standard deviation about 1."""
    N, C, H, W = shape
    coarse = torch.from_numpy(rng.standard_normal((N, C, H // 8 + 2, W // 8 + 2)))
    waves = F.interpolate(coarse, size=(H, W), mode="bicubic", align_corners=True).numpy()
    return waves * 1.3 + 0.05 * rng.standard_normal(shape)


def he_weights(net, rng):
    """Fill `net` in place: He-normal weights; biases, scales, shifts, running statistics that all matter."""
    longest = 4_000_037  # of what is drawn, to save time; prime, so that no two rows of a matrix are the same
    for node in net.nodes:
        params, buffers = node.layer.params, node.layer.buffers
        for key, array in params.items():
            values = rng.standard_normal(min(array.size, longest), np.float32)
            if key == "w":
                values *= np.float32((2 / array[0].size) ** 0.5)
            elif key == "gamma":
                values = 1 + values / 4
            else:
                values /= 10
            params[key] = np.resize(values, array.shape)
        if buffers:
            buffers["mean"] = rng.standard_normal(buffers["mean"].shape, np.float32) / 10
            buffers["var"] = rng.uniform(0.5, 2, buffers["var"].shape).astype(np.float32)
    return net


# ---- the shipped decoder -----------------------------------------------------------------------------------


def shapes_decoder(net, code):
    """The picture of a code, (N, 120, 4, 4), by the decoder `net` of minicnn, whose arrays are read by name."""
    def array(name, key):
        layer = net.layer(name)
        return torch.from_numpy({**layer.params, **layer.buffers}[key])

    def normalized(name, x):
        return F.batch_norm(x, *(array(name, key) for key in ("mean", "var", "gamma", "beta")), eps=1e-5)

    x = normalized("norm0", torch.from_numpy(code))
    for i in range(1, 6):
        x = F.interpolate(x, scale_factor=2) if i > 2 else x
        x = F.relu(normalized(f"norm{i}", F.conv2d(x, array(f"conv{i}", "w"), array(f"conv{i}", "b"), padding=1)))
    x = F.interpolate(x, scale_factor=2)
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    waves = [wave(2 * torch.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / period)
             for period in (4.8, 6.2, 8.0) for angle in np.arange(6) * np.pi / 6 for wave in (torch.cos, torch.sin)]
    x = torch.cat([x, torch.stack(waves).expand(len(x), -1, -1, -1)], 1)
    for i in (6, 7):
        x = F.relu(F.conv2d(x, array(f"conv{i}", "w"), array(f"conv{i}", "b")))
    return F.conv2d(x, array("picture", "w"), array("picture", "b"), padding=1).numpy()
