"""A network with its weights, its preprocessing and its class names."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minicnn.arguments import require_path
from minicnn.backend import keep_freed_memory
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

if TYPE_CHECKING:
    from minicnn.models.weights import Header

ARCHITECTURES: dict[str, Callable[..., Network]] = {
    "vgg16": vgg16, "vgg19": vgg19, "squeezenet1_0": squeezenet1_0, "squeezenet1_1": squeezenet1_1, "alexnet": alexnet,
    "caffenet": caffenet, "resnet18": resnet18, "digits": digits, "shapes": shapes, "shapes_decoder": shapes_decoder,
    "first_layer": first_layer, "transform_network": transform_network}
EMBEDDED = ("shapes", "digits", "shapes_decoder", "styles")  # the networks whose weights come with the library


class Model(NamedTuple):
    """A trained network, with the preprocessing and the class names that belong to its weights."""

    net: Network
    preprocessing: Preprocessing
    labels: list[str]
    name: str
    styles: tuple[str, ...] = ()  # names of the styles of a transform network that has learnt several

    def __repr__(self) -> str:
        """Return one line: name, kind of network, number of layers and classes."""
        outputs = f", {len(self.labels):,} classes" if self.labels else ""
        outputs += f", {len(self.styles)} styles" if self.styles else ""
        return f"<Model {self.name}: {type(self.net).__name__} of {len(self.net.nodes)} layers{outputs}>"

    def fast(self) -> "Model":
        """Return the model with its network made fast; see `Network.fast`."""
        return self._replace(net=self.net.fast())

    def find_class(self, name: Any) -> int:
        """Return the index of a class given by its number, its name, or any part of one name only.

        Raises UnknownNameError with the nearest class names if there is no such class. Raises InputError if several
        class names contain `name`, or if the model has no class names.
        """
        if not self.labels:
            raise InputError(f"the weights of {self.name!r} store no class names")
        if str(name).isdecimal():
            if int(name) < len(self.labels):
                return int(name)
            raise unknown_name("class", name, [f"0 to {len(self.labels) - 1}"])
        text = str(name).lower()
        exact = [i for i, label in enumerate(self.labels) if text in label.lower().split(", ")]
        partial = [i for i, label in enumerate(self.labels) if text in label.lower()]
        for matches in (exact, partial):
            if len(matches) == 1:
                return matches[0]
        if partial:
            raise InputError(f"class {name!r} is not unique: "
                             + "; ".join(f"{i} {self.labels[i]}" for i in partial[:8]))
        raise unknown_name("class", name, [part for label in self.labels for part in label.split(", ")])


def build_network(architecture: str, last: str | None = None, **options: Any) -> Network:
    """Return the network of the named architecture, with zeros for weights.

    last : the last layer to keep. By default all layers are kept. options : arguments of the architecture's builder.
    Raises UnknownNameError if there is no such architecture or layer.

    >>> build_network("squeezenet1_1", last="fire2/concat").shapes()["fire2/concat"]
    (1, 128, 55, 55)
    """
    if architecture not in ARCHITECTURES:
        raise unknown_name("network", architecture, ARCHITECTURES)
    net = ARCHITECTURES[architecture](seed=None, **options)
    return net if last is None else net.trunk(last)


def cache_folder() -> Path:
    """Return the folder of converted weights: minicnn in the user's cache folder.

    Raises InputError if the user has no home folder and XDG_CACHE_HOME is not set.

    >>> cache_folder().name
    'minicnn'
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    if cache:
        return Path(cache) / "minicnn"
    try:
        if os.environ.get("HOME") == "":  # Path.home() would return the root of the file system
            raise RuntimeError
        return Path.home() / ".cache" / "minicnn"
    except RuntimeError:
        raise InputError("there is no home folder to keep weights in: set XDG_CACHE_HOME to a folder, "
                         "or name files (-o when converting)") from None


def weights_path(name: str | Path) -> Path:
    """Return the weights file for `name`: a path, a network that comes with the library, or one in the cache folder.

    Raises InputError, with the way to get the weights, if there is no such file.
    """
    path, name = require_path("name", name), str(name)
    # os.path, not Path: it returns False instead of raising OSError if the name is too long.
    if path.suffix.lower() in (".h5", ".hdf5") or os.path.isfile(path):
        return path
    if name in EMBEDDED:
        return Path(__file__).parent.parent / "data" / f"{name}.h5"
    cached = cache_folder() / f"{name}.h5"
    if os.path.isfile(cached):
        return cached
    if name in ARCHITECTURES:
        others = f"; in the cache folder: {', '.join(cached_models())}" if cached_models() else ""
        raise InputError(f"no weights for {name!r}: {cached} does not exist; make it with: python -m "
                         "weights_converter FILE, or get published weights with: python -m weights_converter fetch NAME"
                         + others)
    raise unknown_name("model", name, dict.fromkeys([*ARCHITECTURES, *EMBEDDED, *cached_models()]))


def cached_models() -> list[str]:
    """Return the sorted names of the weights files in the cache folder; [] if there is no such folder."""
    try:
        folder = cache_folder()
    except InputError:
        return []
    return sorted(path.stem for path in folder.glob("*.h5") if not path.name.startswith(".") and os.path.isfile(path))


def load_model(name: str | Path, device: str = "auto") -> Model:
    """Return the Model called `name`, with its weights, as a plain network.

    name : the path of a weights file (.h5), the name of a file in the cache folder, such as "squeezenet1_1", or a
    network that comes with the library: "shapes", "digits", "styles" (fast style transfer) or "shapes_decoder" (its
    preprocessing describes its output).
    device : "cpu", "gpu", or "auto" for the GPU if CuPy works.
    Raises InputError if the file is missing or damaged, or if it does not fit its architecture.

    >>> load_model("shapes", device="cpu")
    <Model shapes: Network of 15 layers, 12 classes>
    """
    from minicnn.models.weights import load_weights, read_header  # not needed to build a network

    path = weights_path(name)
    header = read_header(path)
    net = _build_for_header(path, header)
    load_weights(net, path)
    keep_freed_memory()  # the passes that follow allocate the same arrays again and again
    styles = tuple(header.options.get("styles", ()))
    return Model(net.to_device(device), header.preprocessing, header.labels, header.name, styles)


def _build_for_header(path: Path, header: "Header") -> Network:
    """Return the network that the Header describes, without weights. Raises InputError if it describes none."""
    try:
        net = build_network(header.architecture, **header.options)
        outputs = net.shapes()[net.output][1]
    except Exception as problem:  # a file may hold any options, which are not checked one by one
        reason = str(problem) or type(problem).__name__
        raise InputError(f"{path}: its network cannot be built: {reason}") from None
    if len(header.labels) not in (0, outputs):
        raise InputError(f"{path} has {len(header.labels):,} class names for a network of {outputs:,} outputs")
    return net
