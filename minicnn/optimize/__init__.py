"""Optimization of an image: updates, steps around them, the loop, and checkpoints."""

from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.image_steps import Blur, Clamp, Decay, SmallContribution, SmallNorm
from minicnn.optimize.lbfgs import LBFGS
from minicnn.optimize.loop import DivergedError, optimize_image
from minicnn.optimize.parametrizations import Decoded, FourierSpectrum, Pixels
from minicnn.optimize.progress import Progress, Renumbered, renumbered
from minicnn.optimize.transforms import Crop, Jitter, Rotation, Scale
from minicnn.optimize.updates import (
    Adam,
    DesiredProgress,
    FadingStep,
    FirstOrder,
    GradientDescent,
    GuardedMomentum,
    Momentum,
    NormalizedStep,
    RMSProp,
)

__all__ = ["LBFGS", "Adam", "Blur", "Checkpoint", "Clamp", "Crop", "Decay", "Decoded", "DesiredProgress",
           "DivergedError", "FadingStep", "FirstOrder", "FourierSpectrum", "GradientDescent", "GuardedMomentum",
           "Jitter", "Momentum", "NormalizedStep", "Pixels", "Progress", "RMSProp", "Renumbered", "Rotation", "Scale",
           "SmallContribution", "SmallNorm", "optimize_image", "renumbered"]
