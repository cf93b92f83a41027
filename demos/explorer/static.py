"""The static edition: the page with recorded answers, for a web server without computations, or from a folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment
from tqdm.auto import tqdm

from minicnn.datasets.drawings import STYLES
from minicnn.errors import InputError
from minicnn.files import TEMPORARY
from minicnn.program import signals_held

from ..deepdream import default_layers
from ..shared.claim import claim
from ..shared.layers import feature_layers, has_scores
from . import answers, live, pictures, tiles, unit_answers
from .bundle import bundle
from .layers import description, shown_layers
from .recorder import Recorder, address, lighter
from .session import Photo
from .state import Explorer
from .texts import page_of

MOST_BYTES = 46_000_000  # of all answers; with the page, the edition stays under 50 MB
MOST_PHOTOS = 3
STRONGEST = 12           # channels of a stage's last layer whose pictures are recorded, for each photo
SIDE = 112               # largest side of a channel's pictures, pixels
PATCH_SIDE = 64          # of a patch
CLASSES = 5              # of a photo, whose pictures are recorded


def write_static(explorer: Explorer, out: Path, page: Path, templates: Environment) -> int:
    """Write the static edition into the folder `out`, which appears complete or stays empty. Return its bytes.

    page : the folder with the page's files. templates : the environment of index.html.
    Raises InputError if the folder is not empty.
    """
    with new_folder(out) as folder:
        recorder = record(explorer)
        (folder / "data").mkdir()
        for name, text in recorder.scripts().items():
            (folder / "data" / name).write_text(text, encoding="ascii")
        (folder / "explorer.js").write_text(bundle(page), encoding="utf-8")
        shutil.copyfile(page / "explorer.css", folder / "explorer.css")
        html = page_of(templates, page, explorer.language, ["data/index.js", "explorer.js"])
        (folder / "index.html").write_text(html, encoding="utf-8")
    return sum(file.stat().st_size for file in out.rglob("*") if file.is_file())


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder whose files move into `out` when the block succeeds; else they are removed."""
    claim(out)
    unfinished = out / f"{TEMPORARY}explorer"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    if any(out.iterdir()):
        raise InputError(f"{out} is not empty; give the name of a new folder after --static")
    unfinished.mkdir()
    try:
        yield unfinished
        with signals_held():
            for file in sorted(unfinished.iterdir()):
                os.replace(file, out / file.name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def record(explorer: Explorer) -> Recorder:
    """Return the Recorder with all answers. What matters most comes first, until MOST_BYTES are reached."""
    model = explorer.networks.get(None)
    photos = dict(list(explorer.photos.items())[:MOST_PHOTOS])
    layers = shown_layers(model.net)
    recorder = Recorder(explorer, photos, layers)
    record_lists(recorder, explorer, photos)
    stages = [layer for layer in layers if layer in {*feature_layers(model.net), *last_layers(explorer)}]
    with tqdm(total=len(photos) * (len(layers) + 1), unit="layer", leave=False, disable=None) as bar:
        for photo in photos:
            bar.set_description(photos[photo].title)
            record_photo(recorder, explorer, photo)
            bar.update()
            for layer in layers:
                record_maps(recorder, explorer, photo, layer)
                bar.update()
    record_tiles(recorder, explorer, photos, stages)
    strongest = {(photo, layer): strong_channels(explorer, recorder, photo, layer)
                 for photo in photos for layer in stages}
    with tqdm(total=len(strongest) * STRONGEST, unit="channel", leave=False, disable=None) as bar:
        for rank in range(STRONGEST):
            for (photo, layer), channels in strongest.items():
                if rank < len(channels) and recorder.size < MOST_BYTES:
                    record_channel(recorder, explorer, photo, layer, channels[rank])
                bar.update()
    return recorder


def last_layers(explorer: Explorer) -> list[str]:
    """Return the start layer of the page and the layers of dreams, whose channels are recorded, too."""
    model = explorer.networks.get(None)
    return [description("", model)["start"]["layer"], *default_layers(model.net)]


def record_lists(recorder: Recorder, explorer: Explorer, photos: dict[str, Photo]) -> None:
    """Record the answers about the network, the photos and the styles."""
    recorder.record("network", answers.network)
    recorder.record("networks", answers.networks)
    listed = recorder.index["networks?"]
    listed["networks"] = listed["networks"][:1]
    listed["photos"] = [one for one in listed["photos"] if one["id"] in photos]
    for identifier in (*photos, *STYLES):
        recorder.record("thumbnail", answers.thumbnail, id=identifier)


def record_photo(recorder: Recorder, explorer: Explorer, photo: str) -> None:
    """Record a photo, its classes and the streams on it."""
    model = explorer.networks.get(None)
    view = recorder.session.view(photo, explorer.networks.default, model)
    recorder.keep("photo", {"id": photo}, lighter(answers.photo_answer(photo, view, view.photo), None))
    recorder.record("code", answers.code, photo=photo, view="photo")
    classes = [one["index"] for one in view.classes()[:CLASSES]]
    for place, label in enumerate(classes):
        for kind in answers.CLASS_KINDS:
            recorder.record("class", answers.class_picture, photo=photo, label=label, kind=kind)
        recorder.record("class-checks", answers.class_checks, photo=photo, label=label)
        for name in ("class", "occlusion", "fooling"):
            recorder.record("code", answers.code, photo=photo, label=label, view=name)
        if place < 2:
            recorder.record_stream("occlusion", live.occlusion, photo=photo, label=label)
        if 0 < place < 3:
            recorder.record_stream("fooling", live.fooling, photo=photo, label=label)
    for layer in default_layers(model.net):
        recorder.record_stream("dream", live.dream, photo=photo, layer=layer)
        recorder.record("code", answers.code, photo=photo, layer=layer, view="dream")
    if has_scores(model.net) and model.net.input_shape[0] == 3:
        for style in STYLES:
            recorder.record_stream("style", live.style, photo=photo, style=style)
            recorder.record("code", answers.code, photo=photo, style=style, view="style")


def record_maps(recorder: Recorder, explorer: Explorer, photo: str, layer: str) -> None:
    """Record the maps of one layer, and the numbers of each of its channels."""
    view = recorder.session.view(photo, explorer.networks.default, explorer.networks.get(None))
    activation = view.activation(layer)
    sheet, shape = pictures.sheet(activation)
    rounded = {name: [float(f"{number:.4g}") for number in value] if isinstance(value, list) else value
               for name, value in shape.items()}
    parameters: dict[str, Any] = {"photo": photo, "layer": layer}
    recorder.keep("maps", parameters, {"src": address(pictures.png(sheet), exact=True)} | rounded)
    recorder.record("code", answers.code, view="maps", **parameters)
    for channel in range(shape["count"]):
        recorder.record("channel", unit_answers.channel, channel=channel, **parameters)


def record_tiles(recorder: Recorder, explorer: Explorer, photos: dict[str, Photo], layers: list[str]) -> None:
    """Record small pictures of all channels of these layers: synthesised, and guided on each photo."""
    model = explorer.networks.get(None)
    recorder.keep("colours", {}, tiles.overlay_colours())
    with tqdm(total=len(layers) * (len(photos) + 1), unit="layer", leave=False, disable=None) as bar:
        for layer in layers:
            if len(model.net.shapes()[layer]) == 4 and recorder.size < MOST_BYTES:
                recorder.keep("tiles", {"layer": layer, "kind": "synthesis"}, tiles.synthesis_tiles(model, layer))
            bar.update()
        for photo in photos:
            view = recorder.session.view(photo, explorer.networks.default, model)
            for layer in layers:
                if recorder.size < MOST_BYTES:
                    recorder.keep("tiles", {"photo": photo, "layer": layer, "kind": "guided"},
                                  tiles.guided_tiles(view, layer))
                bar.update()


def strong_channels(explorer: Explorer, recorder: Recorder, photo: str, layer: str) -> list[int]:
    """Return the channels with the largest activations on the photo, the strongest first."""
    view = recorder.session.view(photo, explorer.networks.default, explorer.networks.get(None))
    tops = pictures.as_maps(view.activation(layer)).max(axis=(1, 2))
    return np.argsort(-tops, kind="stable")[:STRONGEST].tolist()


def record_channel(recorder: Recorder, explorer: Explorer, photo: str, layer: str, channel: int) -> None:
    """Record the pictures of one channel."""
    unit: dict[str, Any] = {"layer": layer, "channel": channel}
    for kind in answers.CHANNEL_KINDS:
        recorder.record("picture", answers.picture, SIDE, photo=photo, kind=kind, **unit)
    recorder.record("channel-checks", unit_answers.channel_checks, photo=photo, **unit)
    part = recorder.parts.get(f"all-{recorder.layers.index(layer)}", {})
    if f"synthesis?channel={channel}&layer={layer}" in part:
        return
    recorder.record_stream("synthesis", live.synthesis, SIDE, **unit)
    recorder.record("code", answers.code, photo=photo, view="channel", **unit)
    found = explorer.patches.get(explorer.networks.default, explorer.networks.get(None))
    if found is not None:
        found.wait()
    recorder.record("patches", answers.patches, PATCH_SIDE, **unit)
