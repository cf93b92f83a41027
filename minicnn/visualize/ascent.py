"""Gradient ascent on the image: which picture does a class like best?"""

from minicnn.backend import to_device, to_host
from minicnn.losses import L2, ClassScore
from minicnn.optimize import Blur, Clamp, Jitter, NormalizedStep, optimize_image

# What class_visualization takes, by the name of who published it.
CLASS_PRESETS = {
    "cs231n": {"learning_rate": 25.0, "l2_reg": 1e-3, "blur_every": 10, "blur_sigma": 0.5, "max_jitter": 16},
}


def class_visualization(net, label, preprocessing, *, rng, size=None, num_steps=100, learning_rate=25.0, l2_reg=1e-3,
                        blur_every=10, blur_sigma=0.5, max_jitter=16, callback=None, checkpoint=None):
    """An image, (1, C, size, size) on the host, that maximises score - l2_reg * sum of image², and the history.

    The recipe of CS231n, for pictures of 224 pixels: steps of length `learning_rate` along the normalized gradient,
    jitter of up to `max_jitter` pixels undone after each step, clamping to the colours that exist, a blur of
    `blur_sigma` at every `blur_every`-th step. On other sizes the step and the jitter scale with the side, which
    keeps the change per pixel. rng : numpy.random.Generator, for the first image (normal noise) and the jitter.
    callback : called with (Progress, image) after each step; Progress.values[0] is the score before the step.
    checkpoint : a Checkpoint to go on from later, see `optimize_image`.
    Simonyan et al. 2013 (arXiv:1312.6034), section 2; Yosinski et al. 2015 (arXiv:1506.06579), section 4.
    """
    channels, size = net.input_shape[0], size or net.input_shape[1]
    noise = rng.standard_normal((1, channels, size, size), dtype="float32")
    low, high = (to_device(bound, net.device) for bound in preprocessing.valid_range())
    image, history = optimize_image(
        net, to_device(noise, net.device),
        [(-1.0, ClassScore(net.output, label)), (l2_reg, L2())],
        update=NormalizedStep(learning_rate * size / 224),
        num_steps=num_steps,
        transforms=(Jitter(round(max_jitter * size / 224)),),
        project=(Clamp(low, high), Blur(blur_sigma, blur_every)),
        callback=callback,
        rng=rng,
        checkpoint=checkpoint)
    return to_host(image), history
