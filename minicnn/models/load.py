"""A network with its weights, its preprocessing and its class names."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minicnn.arguments import describe
from minicnn.backend import choose_device, keep_freed_memory
from minicnn.errors import InputError, one_line, unknown_name
from minicnn.models.alexnet import alexnet, caffenet
from minicnn.models.autoencoder import vgg19_autoencoder
from minicnn.models.decoder import shapes_decoder
from minicnn.models.first_layer import first_layer
from minicnn.models.photo_decoder import photo_decoder
from minicnn.models.photos import photos
from minicnn.models.preprocessing import Preprocessing
from minicnn.models.resnet import resnet18
from minicnn.models.small import digits, shapes
from minicnn.models.squeezenet import squeezenet1_0, squeezenet1_1
from minicnn.models.transform import transform_network
from minicnn.models.vgg import vgg16, vgg19
from minicnn.network import Network
from minicnn.shown import html_table, network_rows

if TYPE_CHECKING:
    from minicnn.models.weights import Header

ARCHITECTURES: dict[str, Callable[..., Network]] = {
    "vgg16": vgg16, "vgg19": vgg19, "squeezenet1_0": squeezenet1_0, "squeezenet1_1": squeezenet1_1, "alexnet": alexnet,
    "caffenet": caffenet, "resnet18": resnet18, "photos": photos, "digits": digits, "shapes": shapes,
    "shapes_decoder": shapes_decoder, "photo_decoder": photo_decoder, "first_layer": first_layer,
    "transform_network": transform_network, "vgg19_autoencoder": vgg19_autoencoder}
EMBEDDED = ("photos", "photos_decoder", "shapes", "digits", "shapes_decoder", "styles")  # they come with the library


class Model(NamedTuple):
    """A trained network, with the preprocessing and the class names that belong to its weights."""

    net: Network
    preprocessing: Preprocessing
    labels: list[str]
    name: str
    styles: tuple[str, ...] = ()  # names of the styles of a transform network that has learnt several
    sources: dict[str, str] = {}  # label -> the folder of the data set from which the class was learnt

    def __repr__(self) -> str:
        """Return one line: name, kind of network, number of layers and classes."""
        count = 0 if self.labels or self.styles else self.num_classes()
        outputs = f", {len(self.labels):,} classes" if self.labels else f", {count:,} classes" if count else ""
        outputs += f", {len(self.styles)} styles" if self.styles else ""
        return f"<Model {self.name}: {type(self.net).__name__} of {len(self.net.nodes)} layers{outputs}>"

    def _repr_html_(self) -> str:
        """Return this line and the network's table as HTML, for notebooks."""
        return html_table(network_rows(self.net), repr(self))

    def fast(self) -> "Model":
        """Return the model with its network made fast; see `Network.fast`."""
        return self._replace(net=self.net.fast())

    def num_classes(self) -> int:
        """Return the number of classes that the network has a score for; 0 if it ends before a classifier."""
        outputs = self.net.shapes()[self.net.output]
        return outputs[1] if len(outputs) == 2 else 0

    def find_class(self, name: Any) -> int:
        """Return the index of a class given by its number, its name, or any part of one name only.

        name : an int, a NumPy scalar or array of one number, "281", "class 281", or a text.
        Raises UnknownNameError with the nearest class names if there is no such class. Raises InputError if several
        class names contain `name`, if `name` is of another type, or if the network has no classes.
        """
        count = len(self.labels) or self.num_classes()
        if not count:
            raise InputError(f"{self.name!r} has no classes: it ends at {self.net.output}, before a classifier")
        number = class_number(name)
        if number is not None and not 0 <= number < count:
            raise unknown_name("class", one_line(name, 50), [f"0 to {count - 1}"])
        if number is not None:
            return number
        if not self.labels:
            raise InputError(f"the weights of {self.name!r} store no class names; give a number from 0 to {count - 1}, "
                             f"not {one_line(name, 50)!r}")
        return self._find_name(str(name))

    def _find_name(self, name: str) -> int:
        """Return the index of the class with this name or part of a name."""
        text, asked = name.lower(), one_line(name, 100)
        exact = [i for i, label in enumerate(self.labels) if text in label.lower().split(", ")]
        partial = [i for i, label in enumerate(self.labels) if text and text in label.lower()]
        for matches in (exact, partial):
            if len(matches) == 1:
                return matches[0]
        if exact:
            found = " and ".join(f"{i} ({self.labels[i]})" for i in exact[:8])
            raise InputError(f"{asked!r} is the name of {len(exact)} classes: {found}; give the number")
        if partial:
            raise InputError(f"class {asked!r} is not unique: "
                             + "; ".join(f"{i} {self.labels[i]}" for i in partial[:8]))
        raise unknown_name("class", asked, [part for label in self.labels for part in label.split(", ")])


def class_number(name: Any) -> int | None:
    """Return the number of a class if `name` is one: an integer, an array or tensor of one, "281" or "class 281".

    Returns None for another text. Raises InputError for another type.

    >>> class_number("class 3"), class_number("tabby")
    (3, None)
    """
    if isinstance(name, str):
        digits = name.strip().lower().removeprefix("class ").strip()
        return int(digits) if digits.isdecimal() and len(digits) < 20 else None
    if hasattr(name, "item") and getattr(name, "shape", None) == ():
        name = name.item()  # of a NumPy scalar, an array or a tensor of one number
    if isinstance(name, int) and not isinstance(name, bool):
        return name
    if isinstance(name, float) and name.is_integer():
        return int(name)
    raise InputError(f"a class is given by its number or its name, not by {one_line(repr(name), 50)} of type "
                     f"{type(name).__name__}")


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
    """Return the folder of converted weights: minicnn in XDG_CACHE_HOME, else in the system's folder for caches.

    Raises InputError if the user has no home folder and XDG_CACHE_HOME is not set.

    >>> cache_folder().name
    'minicnn'
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    if cache:
        return Path(cache) / "minicnn"
    from platformdirs import user_cache_path  # here, as networks are used without it

    try:
        if os.environ.get("HOME") == "":  # Path.home() would return the root of the file system
            raise RuntimeError
        Path.home()  # raises RuntimeError if there is none
        return user_cache_path("minicnn", appauthor=False)
    except RuntimeError:
        raise InputError("there is no home folder to keep weights in: set XDG_CACHE_HOME to a folder, "
                         "or name files (-o when converting)") from None


def weights_path(name: str | Path) -> Path:
    """Return the weights file for `name`: a path, a network that comes with the library, or one in the cache folder.

    Raises InputError, with the way to get the weights, if there is no such file.
    """
    if not isinstance(name, (str, os.PathLike)) or not isinstance(os.fspath(name), str):
        raise InputError("load_model takes the name of a model or the path of its file as a text, not "
                         f"{describe(name)} of type {type(name).__name__}")
    path, name = Path(name), str(name)
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
        raise InputError(f"no weights for {name!r}: {one_line(cached, 300)} does not exist; make it with: "
                         f"minicnn convert FILE, or get published weights with: minicnn fetch NAME{others}")
    shown = one_line(name, 200)
    if "://" in name:
        raise InputError(f"{shown} is an address, not a file: download it, and convert it with: "
                         "minicnn convert FILE")
    if name and (os.path.lexists(path) or os.sep in name):  # a folder, a pipe, a link without an end, or nothing
        return path
    raise unknown_name("model", shown, dict.fromkeys([*ARCHITECTURES, *EMBEDDED, *cached_models()]))


def cached_models() -> list[str]:
    """Return the sorted names of the weights files in the cache folder; [] if there is no such folder."""
    try:
        folder = cache_folder()
    except InputError:
        return []
    return sorted(one_line(path.stem, 100) for path in folder.glob("*.h5")
                  if not path.name.startswith(".") and os.path.isfile(path))


def load_model(name: str | Path, device: str = "auto") -> Model:
    """Return the Model called `name`, with its weights, as a plain network.

    name : the path of a weights file (.h5), the name of a file in the cache folder, such as "squeezenet1_1", or a
    network that comes with the library: "photos", "shapes", "digits", "styles" (fast style transfer),
    "photos_decoder" or "shapes_decoder" (their preprocessing describes their output).
    device : "cpu", "gpu", or "auto" for the GPU if CuPy works.
    Raises InputError if the file is missing or damaged, or if it does not fit its architecture.

    >>> load_model("shapes", device="cpu")
    <Model shapes: Network of 15 layers, 12 classes>
    """
    from minicnn.models.weights import load_weights, read_header  # not needed to build a network

    if not isinstance(device, str):
        raise InputError(f'the device is "cpu", "gpu" or "auto", not {describe(device)} of type '
                         f"{type(device).__name__}")
    device = choose_device(one_line(device, 50))
    path = weights_path(name)
    header = read_header(path)
    net = _build_for_header(path, header)
    load_weights(net, path)
    keep_freed_memory()  # the passes that follow allocate the same arrays again and again
    styles = tuple(one_line(style, 200) for style in header.options.get("styles", ()))
    return Model(net.to_device(device), header.preprocessing, header.labels, header.name, styles,
                 header.sources)


def _build_for_header(path: Path, header: "Header") -> Network:
    """Return the network that the Header describes, without weights. Raises InputError if it describes none."""
    from minicnn.models.weights.bounds import require_small

    try:
        require_small(header.options)
        net = build_network(header.architecture, **header.options)
        outputs = net.shapes()[net.output][1]
    except Exception as problem:  # a file may hold any options, which are not checked one by one
        reason = one_line(str(problem) or type(problem).__name__, 1000)
        raise InputError(f"{one_line(path, 300)}: its network cannot be built: {reason}") from None
    if len(header.labels) not in (0, outputs):
        raise InputError(f"{one_line(path, 300)} has {len(header.labels):,} class names for a network of "
                         f"{outputs:,} outputs")
    return net
