"""The same work twice, in minicnn and in PyTorch: what against_pytorch.py times. Needs PyTorch."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import torch_oracle  # noqa: E402

from minicnn import models  # noqa: E402
from minicnn.losses import FeatureMatch, GramMatch, TotalVariation  # noqa: E402
from minicnn.models.preprocessing import TORCHVISION  # noqa: E402
from minicnn.optimize import Adam, optimize_image  # noqa: E402
from minicnn.visualize.synthesis.ascent_settings import CS231N  # noqa: E402
from minicnn.visualize.synthesis.class_visualization import class_visualization  # noqa: E402


class Workload(NamedTuple):
    """`ours()` and `theirs(channels_last)` return functions that do the work once; `reach`: our time over theirs;
    `multiply_adds()`: of the convolutions as they are defined, which Winograd's way needs fewer for."""

    name: str
    reach: float
    ours: Callable
    theirs: Callable
    multiply_adds: Callable


def multiply_adds(net, size, passes, batch=1):
    """Of so many passes of pictures of size x size, forward and back alike."""
    shapes = net.shapes((3, size, size))
    return passes * batch * sum(node.layer.multiply_adds(shapes[node.inputs[0]], shapes[node.name])
                                for node in net.nodes)


def with_plain_relu(module):
    """The oracle's module with PyTorch's own ReLU, its weights frozen: what its user would have."""
    for name, child in module.named_children():
        if isinstance(child, torch_oracle.Rectifier):
            setattr(module, name, nn.ReLU())
        else:
            with_plain_relu(child)
    return module.eval().requires_grad_(False)


def laid_out(module, channels_last):
    """In one of PyTorch's two memory layouts."""
    return module.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def picture(size, channels_last=None, batch=1):
    """Random x, for PyTorch where a layout is given."""
    x = np.random.default_rng(0).standard_normal((batch, 3, size, size), np.float32)
    if channels_last is None:
        return x
    return laid_out(torch.from_numpy(x), channels_last)


# ---- there and back through a network --------------------------------------------------------------------------

NETWORKS = {
    "VGG-16": (lambda: models.vgg16().trunk("pool5"), lambda: torch_oracle.VGG(torch_oracle.VGG_D).features),
    "VGG-19": (lambda: models.vgg19().trunk("pool5"), lambda: torch_oracle.VGG(torch_oracle.VGG_E).features),
    "SqueezeNet 1.1": (models.squeezenet1_1, lambda: torch_oracle.SqueezeNet("1_1")),
    "SqueezeNet 1.0": (models.squeezenet1_0, lambda: torch_oracle.SqueezeNet("1_0")),
}
REACH = {("VGG", 224): 0.52, ("VGG", 512): 0.45, ("Squeeze", 224): 0.95, ("Squeeze", 512): 0.85}


def there_and_back(name, size, batch=1):
    """Forward, and the gradient to the picture."""
    build, build_module = NETWORKS[name]

    def ours():
        net, x = build().fast(), picture(size, batch=batch)

        def once():
            trace = net.forward(x, keep=(net.output,))  # PyTorch lets go of what it does not need on the way back, too
            out = trace.activations[net.output]
            return net.backward(trace, {net.output: np.ones_like(out)}, release=True)["input"]
        return once

    def theirs(channels_last):
        module = laid_out(with_plain_relu(build_module()), channels_last)
        x = picture(size, channels_last, batch).requires_grad_()

        def once():
            x.grad = None
            module(x).sum().backward()
            return x.grad
        return once

    part = "trunk, " if name.startswith("VGG") else ""
    return Workload(f"{name}, {part}{size} px" + (f", batch {batch}" if batch > 1 else ""),
                    REACH["VGG" if part else "Squeeze", size], ours, theirs,
                    lambda: multiply_adds(build(), size, 2, batch))


# ---- an iteration of style transfer ----------------------------------------------------------------------------

class Style(NamedTuple):
    """Our network, PyTorch's, {module: layer}, the layers whose style and whose content counts, and the reach."""

    build: Callable
    build_module: Callable
    names: dict
    style: tuple
    content: str
    reach: float


STYLES = {
    "VGG-19": Style(models.vgg19, lambda: torch_oracle.VGG(torch_oracle.VGG_E), torch_oracle.VGG19_TRUNK,
                    ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "relu4_2", 0.45),
    "SqueezeNet 1.1": Style(models.squeezenet1_1, lambda: torch_oracle.SqueezeNet("1_1"),
                            torch_oracle.SQUEEZENET1_1_NAMES,  # the layers of CS231n
                            ("relu_conv1", "fire3/concat", "fire4/concat", "fire5/concat"), "fire2/concat", 0.8)}


def style_transfer(name, size):
    """Gram losses, a content loss, total variation, a step of Adam on the picture; both sides return the loss."""
    kind = STYLES[name]
    wanted = (*kind.style, kind.content)

    def ours():
        net = kind.build().trunk(wanted).fast()
        image = picture(size)
        activations = net.forward(image[..., ::-1].copy(), keep=wanted).activations
        terms = [(1.0, FeatureMatch(kind.content, activations[kind.content])), (1e-3, TotalVariation())]
        for layer in kind.style:
            term = GramMatch(layer, 0)
            terms.append((1.0, GramMatch(layer, term.gram.forward(activations[layer])[0])))
        return lambda: optimize_image(net, image, terms, update=Adam(0.05), num_steps=1)[1][0].total

    def theirs(channels_last):
        module = kind.build_module()
        with_weights_of(kind.build(), module, kind.names)
        features = laid_out(with_plain_relu(module.features), channels_last)
        layers = {i: kind.names[f"features.{i}"] for i in range(len(features))}
        last = max(i for i, layer in layers.items() if layer in wanted)

        def activations(x):
            found = {}
            for i, part in enumerate(features[:last + 1]):
                x = part(x)
                if layers[i] in wanted:
                    found[layers[i]] = x
            return found

        def gram(x):
            flat = x.flatten(2)
            return flat @ flat.transpose(1, 2) / flat[0].numel()

        image = picture(size, channels_last).requires_grad_()
        with torch.no_grad():
            targets = activations(image.flip(3))
            grams = {layer: gram(targets[layer]) for layer in kind.style}
        optimizer = torch.optim.Adam([image], 0.05)

        def once():
            optimizer.zero_grad()
            found = activations(image)
            loss = ((found[kind.content] - targets[kind.content])**2).sum()
            loss = loss + sum(((gram(found[layer]) - grams[layer])**2).sum() for layer in kind.style)
            down, right = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
            loss = loss + 1e-3 * ((down**2).sum() + (right**2).sum())
            loss.backward()
            optimizer.step()
            return loss.item()
        return once

    return Workload(f"style transfer, {name}, {size} px", kind.reach, ours, theirs,
                    lambda: multiply_adds(kind.build().trunk(wanted), size, 2))


def with_weights_of(net, module, names):
    """Our network's weights in PyTorch's. names : {module: layer}."""
    for part, layer in names.items():
        if params := net.layer(layer).params:
            module.get_submodule(part).load_state_dict({"weight": torch.from_numpy(params["w"]),
                                                        "bias": torch.from_numpy(params["b"])})


# ---- a class visualization -----------------------------------------------------------------------------------------

def class_visualization_of(size, steps):
    """SqueezeNet 1.1, the recipe of CS231n: jitter, a normalized step, clamp, blur; all steps of one picture."""
    from scipy.ndimage import gaussian_filter1d

    low, high = TORCHVISION.valid_range()

    def ours():
        net = models.squeezenet1_1().fast()
        return lambda: class_visualization(net, 76, TORCHVISION, replace(CS231N, num_steps=steps),
                                           rng=np.random.default_rng(0), size=size)

    def theirs(channels_last):  # the notebook's cell, but for the words it prints
        module = laid_out(with_plain_relu(torch_oracle.SqueezeNet("1_1")), channels_last)

        def once():
            rng = np.random.default_rng(0)
            image = picture(size, channels_last)
            for step in range(1, steps + 1):
                oy, ox = rng.integers(-16, 17, 2).tolist()
                image = torch.roll(image, (oy, ox), (2, 3)).requires_grad_()
                score = module(image)[0, 76] - 1e-3 * (image * image).sum()
                score.backward()
                with torch.no_grad():
                    image = image + 25.0 * size / 224 * image.grad / image.grad.norm()
                    image = torch.roll(image, (-oy, -ox), (2, 3))
                    for c in range(3):
                        image[:, c].clamp_(float(low[c, 0, 0]), float(high[c, 0, 0]))
                    if step % 10 == 0:
                        blurred = gaussian_filter1d(gaussian_filter1d(image.numpy(), 0.5, axis=2), 0.5, axis=3)
                        image = laid_out(torch.from_numpy(blurred), channels_last)
            return image
        return once

    return Workload(f"class visualization, SqueezeNet 1.1, {size} px, {steps} steps", 1.0, ours, theirs,
                    lambda: multiply_adds(models.squeezenet1_1(), size, 2 * steps))


# ---- a training step of the transform network of fast style transfer -------------------------------------------

class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def transform_module():
    """models.transform_network in PyTorch."""
    def convolution(channels, filters, size, stride=1, relu=True):
        layers = [nn.ReflectionPad2d(size // 2), nn.Conv2d(channels, filters, size, stride),
                  nn.InstanceNorm2d(filters, affine=True)]
        return layers + [nn.ReLU()] * relu
    blocks = [Residual(nn.Sequential(*convolution(128, 128, 3), *convolution(128, 128, 3, relu=False)))
              for _ in range(5)]
    return nn.Sequential(
        *convolution(3, 32, 9), *convolution(32, 64, 3, 2), *convolution(64, 128, 3, 2), *blocks,
        nn.Upsample(scale_factor=2), *convolution(128, 64, 3), nn.Upsample(scale_factor=2), *convolution(64, 32, 3),
        nn.ReflectionPad2d(4), nn.Conv2d(32, 3, 9))


def training_step(size, batch):
    """Forward, back to every parameter, and a plain step; the loss is the mean of squares."""
    def ours():
        net, x, rng = models.transform_network().fast(), picture(size, batch=batch), np.random.default_rng(0)

        def once():
            trace = net.forward_train(x, rng, keep=(net.output,))
            out = trace.activations[net.output]
            for name, gradients in net.backward_train(trace, {net.output: out * np.float32(2 / out.size)}).items():
                params = net.layer(name).params
                for key, gradient in gradients.items():
                    params[key] = params[key] - np.float32(1e-3) * gradient
        return once

    def theirs(channels_last):
        module = laid_out(transform_module(), channels_last)
        x, optimizer = picture(size, channels_last, batch), torch.optim.SGD(module.parameters(), 1e-3)

        def once():
            optimizer.zero_grad()
            (module(x)**2).mean().backward()
            optimizer.step()
        return once

    return Workload(f"training the transform network, {size} px, batch {batch}", 1.0, ours, theirs,
                    lambda: multiply_adds(models.transform_network(), size, 3, batch))


WORKLOADS = {workload.name: workload for workload in (
    *(there_and_back(name, size) for name in NETWORKS for size in (224, 512)),
    *(style_transfer(name, 512) for name in STYLES), class_visualization_of(224, 100), training_step(256, 4))}
