"""Losses: objectives of an image or of a network in training, with hand-written gradients.

A loss reads the activations of one named layer and returns its value and a seed for `Network.backward`. A regularizer
is a loss on "input". Losses are minimised; a negative weight maximises a score.
"""

from minicnn.losses.activations import ChannelMean, GuideMatch, LayerNorm2, NeuronActivation, channel_of_images
from minicnn.losses.classes import ClassMargin, ClassScore, CrossEntropy, cross_entropy, one_hot
from minicnn.losses.direction import Direction
from minicnn.losses.likeness import Likeness
from minicnn.losses.regularizers import L2, PNorm, TotalVariation
from minicnn.losses.targets import FeatureMatch, GramMatch
from minicnn.losses.terms import Activations, LossAndSeeds, Terms, loss_and_gradient, weighted_sum

__all__ = ["Activations", "ChannelMean", "ClassMargin", "ClassScore", "CrossEntropy", "Direction", "FeatureMatch",
           "GramMatch", "GuideMatch", "L2", "LayerNorm2", "Likeness", "LossAndSeeds", "NeuronActivation", "PNorm",
           "Terms", "TotalVariation", "channel_of_images", "cross_entropy", "loss_and_gradient", "one_hot",
           "weighted_sum"]
