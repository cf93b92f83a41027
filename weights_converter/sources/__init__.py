"""All published weights that can be converted: the names of their arrays, their layouts, their preprocessing."""

from . import alexnet, resnet, squeezenet, transform, vgg

SOURCES = (*vgg.SOURCES, *squeezenet.SOURCES, *alexnet.SOURCES, *resnet.SOURCES, *transform.SOURCES)
