"""Helpers of the explorer's tests: an explorer of a shipped network, a client without a socket, pictures and events."""

import io
import json

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from demos.explorer.app import make_app
from demos.explorer.networks import Networks
from demos.explorer.photos import offered_photos
from demos.explorer.security import Guard
from demos.explorer.state import Explorer


def make_explorer(folder=None, name="shapes"):
    """An explorer of a shipped network with the example photos."""
    networks = Networks(name, "cpu")
    return Explorer(networks, offered_photos(networks, ()), folder)


def client_of(explorer):
    """A client of the explorer's application behind its guard."""
    return TestClient(Guard(make_app(explorer)), base_url="http://127.0.0.1:8765", raise_server_exceptions=False)


def decoded(answer):
    """The pixels of a PNG answer."""
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png", answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def png_file(picture):
    """The bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def events(answer):
    """The events [(name, data)] of a whole stream."""
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    pairs = [block.split("\n", 1) for block in answer.text.split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]
