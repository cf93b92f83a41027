"""The layers: forward returns (out, cache), backward takes (dout, cache). One file a family."""

from minicnn.layers.conv import Conv2D
from minicnn.layers.dropout import Dropout
from minicnn.layers.gram import Gram
from minicnn.layers.layer import Layer
from minicnn.layers.linear import Flatten, Linear
from minicnn.layers.merge import Add, Concat
from minicnn.layers.norm import BatchNorm2D, ConditionalInstanceNorm2D, InstanceNorm2D, LocalResponseNorm
from minicnn.layers.pool import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from minicnn.layers.relevance import BoxRelevance, EpsilonRelevance, GammaRelevance, PassReLU, PositiveRelevance
from minicnn.layers.relu import DeconvReLU, GuidedReLU, ReLU
from minicnn.layers.rescale import RescaleMaxPool2D, RescaleReLU
from minicnn.layers.resize import Pad2D, Upsample2D
from minicnn.layers.softmax import Softmax
from minicnn.layers.waves import FourierFeatures2D

__all__ = ["Add", "AvgPool2D", "BatchNorm2D", "BoxRelevance", "Concat", "ConditionalInstanceNorm2D", "Conv2D",
           "DeconvReLU", "Dropout", "EpsilonRelevance", "Flatten", "FourierFeatures2D", "GammaRelevance",
           "GlobalAvgPool2D", "Gram", "GuidedReLU", "InstanceNorm2D", "Layer", "Linear", "LocalResponseNorm",
           "MaxPool2D", "Pad2D", "PassReLU", "PositiveRelevance", "ReLU", "RescaleMaxPool2D", "RescaleReLU", "Softmax",
           "Upsample2D"]
