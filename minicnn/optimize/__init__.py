"""Optimization of an image: updates, steps around them, the loop, and checkpoints."""

from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.image_steps import Blur, Clamp, Decay, Jitter, SmallContribution, SmallNorm
from minicnn.optimize.lbfgs import LBFGS
from minicnn.optimize.loop import DivergedError, optimize_image
from minicnn.optimize.progress import Progress, Renumbered, renumbered
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

__all__ = ["LBFGS", "Adam", "Blur", "Checkpoint", "Clamp", "Decay", "DesiredProgress", "DivergedError", "FadingStep",
           "FirstOrder", "GradientDescent", "GuardedMomentum", "Jitter", "Momentum", "NormalizedStep", "Progress",
           "RMSProp", "Renumbered", "SmallContribution", "SmallNorm", "optimize_image", "renumbered"]
