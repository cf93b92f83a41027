"""The state of a running explorer, and one request to it."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request

from minicnn import images
from minicnn.datasets.drawings import STYLES, draw_style
from minicnn.errors import InputError, unknown_name
from minicnn.models import Model
from minicnn.visualize import guided_backprop
from minicnn.visualize.entry import require_channel, require_labels

from ..shared.layers import has_scores
from .collection import collection_for
from .layers import description
from .networks import Networks
from .parameters import Parameters
from .patches import AllPatches
from .pictures import png
from .session import VIEWS, Photo, Session, Sessions, View, shrunk
from .work import Worker

THUMBNAIL = 96  # largest side, pixels


class Explorer:
    """Everything that a server keeps: the networks, the photos that it offers, and the sessions.

    photos : {identifier: Photo}, in the order of the list. folder : of photos with patches, or None.
    language : of the page, one of LANGUAGES.
    """

    def __init__(self, networks: Networks, photos: dict[str, Photo], folder: str | None = None,
                 language: str = "en") -> None:
        self.networks, self.language = networks, language
        self.photos = {identifier: shrunk(photo) for identifier, photo in photos.items()}
        self.sessions = Sessions()
        self.views: OrderedDict[tuple[str, str], View] = OrderedDict()  # of the offered photos, for all sessions
        self.thumbnails: dict[str, bytes] = {}
        self.descriptions: dict[str, dict[str, Any]] = {}
        # (network, layer, channel) of the images that start from noise, as no gradient reaches them from grey:
        self.from_noise: set[tuple[str, str, int]] = set()
        self.worker = Worker()
        self.patches = AllPatches(folder, self.worker.calm)
        self.about = collection_for(networks.get(None), folder)  # raises InputError if the folder has no photos

    def collection(self) -> dict[str, Any] | None:
        """Return the title and the number of photos of the default network's collection, or None."""
        return None if self.about is None else {"title": self.about.title, "photos": len(self.about.sources)}

    def offered(self, identifier: str) -> Photo:
        """Return an offered photo. Raises InputError if there is none of this identifier."""
        if identifier not in self.photos:
            raise unknown_name("photo", identifier, self.photos)
        return self.photos[identifier]

    def offered_view(self, identifier: str, name: str) -> View:
        """Return an offered photo as the network called `name` sees it, with its activations."""
        model, key = self.networks.get(name), (identifier, name)
        if key not in self.views:
            self.views[key] = View(model, self.offered(identifier))
        self.views.move_to_end(key)
        while len(self.views) > VIEWS:
            self.views.popitem(last=False)
        self.views[key].compute()
        return self.views[key]

    def description(self, name: str) -> dict[str, Any]:
        """Return the description of the network called `name`."""
        if name not in self.descriptions:
            self.descriptions[name] = description(name, self.networks.get(name))
        return self.descriptions[name]

    def thumbnail(self, identifier: str) -> bytes:
        """Return an offered photo, or a drawn style, with sides of at most THUMBNAIL pixels, as a PNG file."""
        if identifier not in self.thumbnails:
            picture = (draw_style(identifier, np.random.default_rng(0), THUMBNAIL) if identifier in STYLES else
                       images.resize_long_side(self.offered(identifier).picture, THUMBNAIL))
            self.thumbnails[identifier] = png(picture)
        return self.thumbnails[identifier]

    def first_jobs(self) -> Iterator[Callable[[], Any]]:
        """Yield the computations of the first page, in its order. Done early, they make it appear at once."""
        name, model = self.networks.default, self.networks.get(None)
        photo, layer = next(iter(self.photos)), self.description(name)["start"]["layer"]
        yield lambda: self.offered_view(photo, name)
        for identifier in (*self.photos, *STYLES):
            yield partial(self.thumbnail, identifier)
        yield lambda: guided_backprop(model.net, self.offered_view(photo, name).x, layer, 0)

    def close(self) -> None:
        """Cancel all computations."""
        self.sessions.stop()
        self.patches.close()


class Asked(Parameters):
    """One request: its parameters, and the things that they name.

    body : of a POST. page : whether the page's own script asks, which expects a refusal as an answer, see app.py.
    """

    def __init__(self, explorer: Explorer, request: Request, body: bytes = b"") -> None:
        super().__init__(request.query_params)
        self.explorer, self.body = explorer, body
        self.header = request.headers.get("x-session")
        self.page = self.header is not None

    @property
    def session(self) -> Session:
        """The session of the tab."""
        return self.explorer.sessions.get(self.header or self.query.get("s"))

    @property
    def language(self) -> str:
        """The language of the page, one of LANGUAGES."""
        return self.explorer.language

    @property
    def network(self) -> str:
        """The name of the network, by default the explorer's."""
        return self.text("model", self.explorer.networks.default)

    @property
    def model(self) -> Model:
        """The network with its weights."""
        return self.explorer.networks.get(self.network)

    @property
    def view(self) -> View:
        """The photo as the network sees it."""
        return self.session.view(self.text("photo"), self.network, self.model)

    def layer(self) -> str:
        """Return the name of the layer. Raises InputError if the network has none of this name."""
        name = self.model.net.find(self.text("layer"))
        if name == "input":
            raise InputError("'input' is the photo itself; choose a layer")
        return name

    def channel(self, layer: str) -> int:
        """Return the channel. Raises InputError if the layer has none of this number."""
        count = self.model.net.shapes()[layer][1]
        return require_channel(layer, self.whole("channel", 0, 10**9 - 1), count)

    def label(self) -> int:
        """Return the number of the class. Raises InputError if the network has none of this number."""
        if not has_scores(self.model.net):
            raise InputError(f"{self.network} has no classes; choose another network")
        net: Any = self.model.net
        return require_labels(net, self.whole("label", 0, 10**9 - 1), 1)[0]
