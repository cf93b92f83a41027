"""All published weights that can be converted: the names of their arrays, their layouts, their preprocessing."""

from weights_converter.sources import alexnet, autoencoder, resnet, squeezenet, transform, vgg

SOURCES = (*vgg.SOURCES, *squeezenet.SOURCES, *alexnet.SOURCES, *resnet.SOURCES, *transform.SOURCES,
           *autoencoder.SOURCES)
