"""The sessions of the explorer: for each open tab, its photos and its running stream."""

import re
import secrets
import threading
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from minicnn import images
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, one_line
from minicnn.models import Model

from ..shared.inputs import best_classes, short_label
from ..shared.layers import has_scores
from .streams import Stream

SESSIONS = 8     # the oldest goes when another tab opens
PHOTOS = 6       # photos of a session that are kept, the latest
VIEWS = 2        # photos of a session whose activations are kept
MOMENT = 0.3     # seconds
SIDE = 1024      # largest side of a kept photo, pixels
SESSION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class GoneError(InputError):
    """The page asks for a photo that the server does not have: it was restarted, or the photo is old."""


class Photo(NamedTuple):
    """A photo, uint8 (H, W, 3), with its title and the name of its file, which are safe to show."""

    title: str
    picture: np.ndarray
    file: str = "photo.jpg"


def shrunk(photo: Photo) -> Photo:
    """Return the photo with sides of at most SIDE pixels."""
    if max(photo.picture.shape[:2]) <= SIDE:
        return photo
    return photo._replace(picture=images.resize_long_side(photo.picture, SIDE))


class View:
    """A photo as one network sees it.

    image : the crop, uint8 (H, W, 3). x : the network's input, (1, C, H, W), on the host.
    """

    def __init__(self, model: Model, photo: Photo) -> None:
        self.model, self.photo = model, photo
        if min(photo.picture.shape[:2]) < 2:
            raise InputError("the photo is too small: every side needs at least 2 pixels")
        self.image = images.fit(photo.picture, model.preprocessing.resize, model.preprocessing.crop)
        self.x = model.preprocessing.to_input(self.image)
        self.activations: dict[str, np.ndarray] = {}

    def compute(self, layers: list[str] | None = None) -> None:
        """Compute the activations of these layers, by default of all, in one forward pass."""
        net = self.model.net
        wanted = [name for name in layers or net.layer_names() if name not in self.activations]
        if wanted:
            found = net.features(to_device(self.x, net.device), wanted)
            self.activations |= {name: to_host(out)[0] for name, out in found.items()}

    def activation(self, layer: str) -> np.ndarray:
        """Return the activation of a layer, (channels, h, w) or (channels,). "input" is the network's input."""
        if layer == "input":
            return self.x[0]
        if layer not in self.activations:
            self.compute()
        return self.activations[layer]

    def classes(self) -> list[dict]:
        """Return the five best classes, each with its index, label and probability; [] without class scores."""
        if not has_scores(self.model.net):
            return []
        return [{"index": index, "label": short_label(self.model, index), "probability": probability}
                for index, probability in best_classes(self.activation(self.model.net.output))]


class Session:
    """The photos of one tab by their identifiers, and its stream. A session runs one stream at a time."""

    def __init__(self) -> None:
        self.photos: OrderedDict[str, Photo] = OrderedDict()
        self.views: OrderedDict[tuple[str, str], View] = OrderedDict()
        self.computing = threading.Lock()  # held by the running stream
        self.stream: Stream | None = None
        self.frames: list[str] = []        # the identifiers of the camera's latest pictures

    def add(self, photo: Photo, frame: bool = False) -> str:
        """Keep a photo and return its new identifier. Of the camera's pictures the latest VIEWS are kept."""
        identifier = secrets.token_urlsafe(9)
        if frame:
            self.frames.append(identifier)
        while len(self.frames) > VIEWS:
            self.photos.pop(self.frames.pop(0), None)
        self.photos[identifier] = shrunk(photo)
        while len(self.photos) > PHOTOS:
            self.photos.popitem(last=False)
        return identifier

    def photo(self, identifier: str) -> Photo:
        """Return the photo. Raises GoneError if the server does not have it."""
        if identifier not in self.photos:
            raise GoneError(f"the server has no photo {one_line(identifier, 30)!r}: it was started again, or the photo "
                            "is too old; send the photo again")
        return self.photos[identifier]

    def view(self, identifier: str, name: str, model: Model) -> View:
        """Return the View of a photo by the network called `name`. Raises GoneError without the photo."""
        photo, key = self.photo(identifier), (identifier, name)
        if key not in self.views:
            self.views[key] = View(model, photo)
        self.views.move_to_end(key)
        while len(self.views) > VIEWS:
            self.views.popitem(last=False)
        return self.views[key]

    def start(self, stream: Stream) -> None:
        """Make this the session's stream, and cancel the one before."""
        self.stop()
        self.stream = stream

    def stop(self) -> bool:
        """Cancel the running stream. Return whether there was one."""
        stream, self.stream = self.stream, None
        if stream is None or stream.done.is_set():
            return False
        stream.cancel()
        return True


class Sessions:
    """The sessions by their names. A name is made by the page, and is 1 to 64 letters, digits, - and _."""

    def __init__(self) -> None:
        self.sessions: OrderedDict[str, Session] = OrderedDict()

    def get(self, name: str | None) -> Session:
        """Return the session of this name, which is made if it is new. Raises InputError for an impossible name."""
        if not name or not SESSION_NAME.fullmatch(name):
            raise InputError("the session is missing: send 1 to 64 letters or digits as X-Session, or as parameter s")
        if name not in self.sessions:
            self.sessions[name] = Session()
        self.sessions.move_to_end(name)
        while len(self.sessions) > SESSIONS:
            self.sessions.popitem(last=False)[1].stop()
        return self.sessions[name]

    def photo(self, name: str, identifier: str) -> Photo:
        """Return a photo of the session of this name. Raises GoneError if the server does not have it."""
        return self.sessions.get(name, Session()).photo(identifier)

    def stop(self) -> None:
        """Cancel all streams, and give each a moment to end its step."""
        streams = [session.stream for session in self.sessions.values() if session.stream is not None]
        for stream in streams:
            stream.cancel()
        for stream in streams:
            stream.done.wait(MOMENT)
