"""Record the answers of the explorer, as scripts that a page without a server reads."""

import asyncio
import base64
import io
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from minicnn.errors import InputError

from .session import Photo, Session
from .state import Asked, Explorer
from .streams import Stream

NOT_IN_KEYS = ("model", "size", "steps")
PICTURES = 5   # pictures of a stream that are kept
QUALITY = 80   # of JPEG, in percent
SESSION = "static"


class RecordedStream(Stream):
    """A Stream that keeps its events, and runs to its end."""

    def __init__(self) -> None:
        super().__init__(asyncio.new_event_loop(), threading.Event())
        self.loop.close()
        self.kept: list[tuple[str, dict[str, Any]]] = []

    def step(self) -> bool:
        """Return that a picture is wanted."""
        return True

    def send(self, event: str, data: dict[str, Any]) -> None:
        """Keep the event."""
        self.kept.append((event, data))


class Recorder:
    """The answers of the static edition: `index` for the first script, `parts` for the scripts loaded when needed.

    parts : {"P-L": {key: answer}}, for the number P of a photo or "all", and the number L of a layer or "net".
    size : bytes of all recorded answers.
    """

    def __init__(self, explorer: Explorer, photos: dict[str, Photo], layers: list[str]) -> None:
        self.explorer, self.photos, self.layers = explorer, list(photos), layers
        self.index: dict[str, Any] = {}
        self.parts: dict[str, dict[str, Any]] = {}
        self.size = 0
        self.session = Session()
        self.session.photos.update(photos)
        explorer.sessions.sessions[SESSION] = self.session

    def answer(self, function: Callable[[Asked], Any], parameters: dict[str, Any]) -> Any:
        """Return function(asked) for a request with these parameters."""
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-session", SESSION.encode())],
                 "query_string": urlencode(parameters).encode()}
        return function(Asked(self.explorer, Request(scope)))

    def record(self, path: str, function: Callable[[Asked], Response], side: int | None = None, exact: bool = False,
               **parameters: Any) -> None:
        """Keep one answer: its JSON, or its picture.

        side : the largest side of the kept picture, pixels; by default, its own. exact : whether it stays a PNG file.
        """
        found = self.answer(function, parameters)
        if found.media_type == "application/json":
            self.keep(path, parameters, lighter(json.loads(found.body), side))
        else:
            self.keep(path, parameters, address(found.body, side, exact))

    def record_stream(self, path: str, prepare: Callable[[Asked], Callable[[Stream], None]], side: int | None = None,
                      **parameters: Any) -> None:
        """Keep the events of a stream: PICTURES of its pictures, and the others. A stream that fails is left out."""
        stream = RecordedStream()
        try:
            self.answer(prepare, parameters)(stream)
        except InputError:  # such as a unit that no gradient reaches
            return
        shown = [item for item in stream.kept if item[0] == "picture"]
        count = min(PICTURES, len(shown))
        chosen = {round(n * (len(shown) - 1) / max(1, count - 1)) for n in range(count)}
        kept = [shown[n] for n in sorted(chosen)] + [item for item in stream.kept if item[0] != "picture"]
        self.keep(path, parameters, [[event, lighter(data, side)] for event, data in kept])

    def keep(self, path: str, parameters: dict[str, Any], answer: Any, in_index: bool = False) -> None:
        """Keep the answer under its key, in the index if it belongs to no photo and no layer."""
        key = key_of(path, parameters)
        photo, layer = parameters.get("photo"), parameters.get("layer")
        self.size += len(key) + len(json.dumps(answer)) + 8
        if in_index or photo is None and layer is None:
            self.index[key] = answer
            return
        first = "all" if photo is None else self.photos.index(photo)
        second = "net" if layer is None else self.layers.index(layer)
        self.parts.setdefault(f"{first}-{second}", {})[key] = answer

    def scripts(self) -> dict[str, str]:
        """Return {name of a file in data/: its text}."""
        files = {f"{name}.js": f"MINICNN_DATA.parts[{json.dumps(name)}] = {compact(part)};\n"
                 for name, part in self.parts.items()}
        index = {"answers": self.index, "parts": {}, "files": list(self.parts)}
        return {"index.js": f"window.MINICNN_DATA = {compact(index)};\n"} | files


def key_of(path: str, parameters: dict[str, Any]) -> str:
    """Return the key under which the page finds an answer.

    >>> key_of("maps", {"photo": "p1", "layer": "fire5/concat", "model": "squeezenet1_1"})
    'maps?layer=fire5/concat&photo=p1'
    """
    return f"{path}?" + "&".join(sorted(f"{name}={value}" for name, value in parameters.items()
                                        if name not in NOT_IN_KEYS))


def address(file: bytes, side: int | None = None, exact: bool = False) -> str:
    """Return a PNG file as the address of an image, made smaller and lighter unless `exact`."""
    picture = Image.open(io.BytesIO(file))
    if exact:
        best = io.BytesIO()
        picture.save(best, "PNG", compress_level=9)
        return "data:image/png;base64," + base64.b64encode(best.getvalue()).decode("ascii")
    if side is not None and max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    picture.save(jpeg, "JPEG", quality=QUALITY)
    kind, best = min((("png", png), ("jpeg", jpeg)), key=lambda item: len(item[1].getvalue()))
    return f"data:image/{kind};base64," + base64.b64encode(best.getvalue()).decode("ascii")


def lighter(value: Any, side: int | None) -> Any:
    """Return a value of JSON in which all pictures are lighter, with sides of at most `side` pixels."""
    if isinstance(value, dict):
        return {name: lighter(part, side) for name, part in value.items()}
    if isinstance(value, list):
        return [lighter(part, side) for part in value]
    if isinstance(value, str) and value.startswith("data:image/"):
        return address(base64.b64decode(value.partition(",")[2]), side)
    return value


def compact(value: Any) -> str:
    """Return the value as JSON without spaces, in ASCII."""
    return json.dumps(value, separators=(",", ":"))
