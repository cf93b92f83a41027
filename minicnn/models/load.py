"""A network with its weights, its preprocessing and its class names."""

import os
from pathlib import Path
from typing import NamedTuple

from minicnn.errors import InputError, unknown_name
from minicnn.models.alexnet import alexnet, caffenet
from minicnn.models.decoder import shapes_decoder
from minicnn.models.first_layer import first_layer
from minicnn.models.preprocessing import Preprocessing
from minicnn.models.resnet import resnet18
from minicnn.models.small import digits, shapes
from minicnn.models.squeezenet import squeezenet1_0, squeezenet1_1
from minicnn.models.transform import transform_network
from minicnn.models.vgg import vgg16, vgg19
from minicnn.network import Network

ARCHITECTURES = {"vgg16": vgg16, "vgg19": vgg19, "squeezenet1_0": squeezenet1_0, "squeezenet1_1": squeezenet1_1,
                 "alexnet": alexnet, "caffenet": caffenet, "resnet18": resnet18, "digits": digits, "shapes": shapes,
                 "shapes_decoder": shapes_decoder, "first_layer": first_layer, "transform_network": transform_network}
EMBEDDED = ("shapes", "digits", "shapes_decoder", "styles")


class Model(NamedTuple):
    """A trained network and what belongs to its weights."""

    net: Network
    preprocessing: Preprocessing
    labels: list[str]
    name: str
    styles: tuple = ()  # the names of those that a transform network has learnt, where they are several

    def fast(self):
        """Return the same model with its network made fast, see `Network.fast`."""
        return self._replace(net=self.net.fast())

    def find_class(self, name):
        """The index of a class given by number or by name (any part of it that is unique).

        Raises UnknownNameError with the nearest class names.
        """
        if str(name).isdigit():
            if int(name) < len(self.labels):
                return int(name)
            raise unknown_name("class", name, [f"0 to {len(self.labels) - 1}"])
        wanted = str(name).lower()
        exact = [i for i, label in enumerate(self.labels) if wanted in label.lower().split(", ")]
        partly = [i for i, label in enumerate(self.labels) if wanted in label.lower()]
        for found in (exact, partly):
            if len(found) == 1:
                return found[0]
        if partly:
            raise InputError(f"class {name!r} is not unique: "
                             + "; ".join(f"{i} {self.labels[i]}" for i in partly[:8]))
        raise unknown_name("class", name, [part for label in self.labels for part in label.split(", ")])


def build_network(architecture, last=None, **options):
    """The named architecture, without weights (zeros); `last`: keep the layers up to this one."""
    if architecture not in ARCHITECTURES:
        raise unknown_name("network", architecture, ARCHITECTURES)
    net = ARCHITECTURES[architecture](seed=None, **options)
    return net if last is None else net.trunk(last)


def cache_folder():
    """Where converted weights are looked for: minicnn in the user's cache folder.

    Raises InputError where it is not known whose that is.
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    if cache:
        return Path(cache) / "minicnn"
    try:
        if os.environ.get("HOME") == "":  # Path.home() would be the root of the file system
            raise RuntimeError
        return Path.home() / ".cache" / "minicnn"
    except RuntimeError:
        raise InputError("there is no home folder to keep weights in: set XDG_CACHE_HOME to a folder, "
                         "or name files (-o when converting)") from None


def weights_path(name):
    """The weights file that `name` stands for: a path, a shipped network, or one in the cache.

    Raises InputError where there is none, saying how to get it.
    """
    path = Path(name)
    # os.path rather than Path: it answers False, not with an OSError, for a name that is too long.
    if path.suffix.lower() in (".h5", ".hdf5") or os.path.isfile(path):
        return path
    if name in EMBEDDED:
        return Path(__file__).parent.parent / "data" / f"{name}.h5"
    cached = cache_folder() / f"{name}.h5"
    if os.path.isfile(cached):
        return cached
    if name in ARCHITECTURES:
        there = f"; in the cache: {', '.join(cached_models())}" if cached_models() else ""
        raise InputError(f"no weights for {name!r}: {cached} does not exist; "
                         f"make it with: python -m weights_converter FILE (fetch NAME gets published ones){there}")
    raise unknown_name("model", name, dict.fromkeys([*ARCHITECTURES, *EMBEDDED, *cached_models()]))


def cached_models():
    """The names of the weights files in the cache folder, sorted; none where there is no such folder."""
    try:
        folder = cache_folder()
    except InputError:
        return []
    return sorted(path.stem for path in folder.glob("*.h5") if not path.name.startswith(".") and os.path.isfile(path))


def load_model(name, device="auto"):
    """The Model called `name` ("squeezenet1_1" in the cache, a path to an .h5 file, "shapes", "digits",
    "shapes_decoder", whose preprocessing is that of the pictures it paints, "styles", which paints photos).

    Raises InputError, naming the file, where it is missing, damaged or does not fit its architecture.
    """
    from minicnn.models.weights import load_weights, read_header  # h5py is wanted only here

    path = weights_path(name)
    header = read_header(path)
    net = _network_of(path, header)
    load_weights(net, path)
    styles = tuple(header.options.get("styles", ()))
    return Model(net.to_device(device), header.preprocessing, header.labels, header.name, styles)


def _network_of(path, header):
    """The network that the file's Header describes, without weights; InputError where it describes none."""
    try:
        net = build_network(header.architecture, **header.options)
        outputs = net.shapes()[net.output][1]
    except Exception as problem:  # whatever options may do to a builder: they are not checked one by one
        reason = str(problem) or type(problem).__name__
        raise InputError(f"{path}: its network cannot be built: {reason}") from None
    if len(header.labels) not in (0, outputs):
        raise InputError(f"{path} has {len(header.labels):,} class names for a network of {outputs:,} outputs")
    return net
