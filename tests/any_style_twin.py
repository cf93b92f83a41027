"""Any style at once a second time, in PyTorch and float64, from the published file's arrays: for comparison."""

import numpy as np
from torch_oracle import F, torch

STEPS = {  # of each decoder: the number of its convolution in the file, or "up"
    1: (1,), 2: (1, "up", 5, 8), 3: (1, "up", 5, 8, "up", 12, 15)}
ENCODER = {1: ("conv1_1",), 2: ("conv1_1", "conv1_2", "pool", "conv2_1"),
           3: ("conv1_1", "conv1_2", "pool", "conv2_1", "conv2_2", "pool", "conv3_1")}


def conv(x, arrays, name):
    """Return a 3x3 convolution with reflection padding."""
    w, b = (torch.from_numpy(np.asarray(arrays[f"{name}.{key}"], np.float64)) for key in ("weight", "bias"))
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), w, b)


def encode(rgb, arrays, level):
    """Return the features relu<level>_1 of an image (1, 3, H, W), RGB from 0 to 1."""
    w, b = (torch.from_numpy(np.asarray(arrays[f"preproc.{key}"], np.float64)) for key in ("weight", "bias"))
    x = F.conv2d(rgb, w, b)
    for name in ENCODER[level]:
        x = F.max_pool2d(x, 2) if name == "pool" else conv(x, arrays, name).relu()
    return x


def decode(features, arrays, level):
    """Return the image (1, 3, H, W), RGB from 0 to 1, that the decoder makes of the features relu<level>_1."""
    x = features
    for step in STEPS[level]:
        if step == "up":
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        else:
            x = conv(x, arrays, f"decoder{level}.{step}")
            x = x if step == STEPS[level][-1] else x.relu()
    return x


def wct(content, style):
    """Return the content's features with the style's mean and covariance; directions without variance stay 0."""
    c, s = (f.reshape(f.shape[1], -1) for f in (content, style))
    c_mean, s_mean = c.mean(1, keepdim=True), s.mean(1, keepdim=True)
    c, s = c - c_mean, s - s_mean
    c_values, c_vectors = torch.linalg.eigh(c @ c.T / c.shape[1])
    s_values, s_vectors = torch.linalg.eigh(s @ s.T / s.shape[1])
    kept = c_values > 1e-9 * ((c * c).mean(1).max() + (c_mean * c_mean).max())
    white = c_vectors[:, kept] @ torch.diag(c_values[kept] ** -0.5) @ c_vectors[:, kept].T @ c
    coloured = s_vectors @ torch.diag(s_values.clamp(min=0) ** 0.5) @ s_vectors.T @ white
    return (coloured + s_mean).reshape(content.shape)


def adain(content, style):
    """Return the content's features with each channel's mean and standard deviation from the style."""
    (c_std, c_mean), (s_std, s_mean) = (torch.std_mean(f, dim=(2, 3), keepdim=True, correction=0)
                                        for f in (content, style))
    return torch.where(c_std > 1e-6, (content - c_mean) / c_std * s_std, 0) + s_mean


def paint(arrays, content, styles, levels, transform, strength, blend):
    """Return the painted image, RGB from 0 to 1, (H, W, 3), of pictures uint8 whose sides are multiples of 4."""
    x, *style_images = (torch.from_numpy(picture / 255.0).permute(2, 0, 1)[None] for picture in (content, *styles))
    for level in levels:
        features = encode(x, arrays, level)
        styled = sum(weight * transform(features, encode(style, arrays, level))
                     for weight, style in zip(blend, style_images, strict=True))
        x = decode(strength * styled + (1 - strength) * features, arrays, level)
    return x[0].permute(1, 2, 0).numpy()
