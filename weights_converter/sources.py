"""All published weights that are known: what their arrays are called, how they lie in memory, what belongs to them."""

from weights_converter import sources_alexnet, sources_resnet, sources_squeezenet, sources_transform, sources_vgg

SOURCES = (*sources_vgg.SOURCES, *sources_squeezenet.SOURCES, *sources_alexnet.SOURCES, *sources_resnet.SOURCES,
           *sources_transform.SOURCES)
