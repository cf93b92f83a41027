"""All published weights that are known: what their arrays are called, how they lie in memory, what belongs to them."""

from weights_converter.sources import alexnet as sources_alexnet
from weights_converter.sources import resnet as sources_resnet
from weights_converter.sources import squeezenet as sources_squeezenet
from weights_converter.sources import transform as sources_transform
from weights_converter.sources import vgg as sources_vgg

SOURCES = (*sources_vgg.SOURCES, *sources_squeezenet.SOURCES, *sources_alexnet.SOURCES, *sources_resnet.SOURCES,
           *sources_transform.SOURCES)
