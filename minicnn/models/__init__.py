"""The networks: functions that build an architecture, and `load_model`, which also loads its weights."""

from minicnn.models.alexnet import alexnet, caffenet
from minicnn.models.decoder import shapes_decoder, shapes_encoder
from minicnn.models.fold import fold_norms
from minicnn.models.load import Model, build_network, cache_folder, load_model
from minicnn.models.photos import photos
from minicnn.models.preprocessing import Preprocessing
from minicnn.models.resnet import resnet18
from minicnn.models.small import digits, shapes
from minicnn.models.squeezenet import squeezenet1_0, squeezenet1_1
from minicnn.models.transform import transform_network
from minicnn.models.vgg import vgg16, vgg19

__all__ = ["Model", "Preprocessing", "alexnet", "build_network", "cache_folder", "caffenet", "digits", "fold_norms",
           "load_model", "photos", "resnet18", "shapes", "shapes_decoder", "shapes_encoder", "squeezenet1_0",
           "squeezenet1_1", "transform_network", "vgg16", "vgg19"]
