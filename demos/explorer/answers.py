"""The short answers of the explorer: networks, photos, maps, values and pictures of one channel or class."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response

from minicnn import images
from minicnn.datasets.drawings import STYLES
from minicnn.errors import InputError, one_line
from minicnn.images.reading import TooManyPixelsError
from minicnn.visualize import (
    class_probability,
    deconvnet,
    grad_cam,
    guided_backprop,
    neuron_gradient,
    relevance_map,
    saliency_map,
    upsample_maps,
)
from minicnn.visualize.attribution.grad_cam_check import check_grad_cam
from minicnn.visualize.attribution.relevance_check import check_relevance
from minicnn.visualize.attribution.saliency_check import check_saliency_map

from ..shared.language import translation
from . import pictures
from .code import VIEWS, code_of
from .live import dream_side
from .networks import title_of
from .security import MOST_BYTES, MOST_PIXELS, TooLargeError
from .session import Photo
from .settings import DREAM_SIDE, ascent
from .state import Asked, Explorer
from .unit_answers import shown_checks

CHANNEL_KINDS = ("overlay", "plain", "deconv", "guided")
CLASS_KINDS = ("saliency", "gradcam", "relevance", "guided")
GRADIENTS = {"plain": neuron_gradient, "deconv": deconvnet, "guided": guided_backprop}


def networks(asked: Asked) -> Response:
    """Answer with the networks, photos and styles that the page offers."""
    return JSONResponse(lists(asked.explorer))


def lists(explorer: Explorer) -> dict[str, Any]:
    """Return the answer about the networks, photos and styles."""
    _ = translation(explorer.language)
    return {"networks": [{"name": name, "title": title_of(name, _), "default": name == explorer.networks.default}
                         for name in explorer.networks.names()],
            "photos": [{"id": identifier, "title": photo.title} for identifier, photo in explorer.photos.items()],
            "styles": [{"id": name, "title": name} for name in STYLES],
            "collection": explorer.collection(), "max_bytes": MOST_BYTES, "max_pixels": MOST_PIXELS}


def network(asked: Asked) -> Response:
    """Answer with a network's layers and classes."""
    return JSONResponse(asked.explorer.description(asked.network))


def thumbnail(asked: Asked) -> Response:
    """Answer with the small picture of an offered photo."""
    return Response(asked.explorer.thumbnail(asked.text("id")), media_type="image/png")


def photo(asked: Asked) -> Response:
    """Answer an upload, or the choice of an offered photo, with its identifier and its classes.

    A page that is loaded again asks for the photo that it has sent as another session, which is called `from`.
    """
    identifier, before = asked.text("id", ""), asked.text("from", "")
    file = one_line(asked.text("name", "photo.jpg").replace("\\", "/").rpartition("/")[2], 100)
    session, model = asked.session, asked.model  # raise InputError before the photo is decoded
    if identifier:
        chosen = asked.explorer.offered(identifier)
        kept = session.add(chosen)
        session.views[kept, asked.network] = asked.explorer.offered_view(identifier, asked.network)
    else:
        chosen = asked.explorer.sessions.photo(before, asked.text("photo")) if before else \
            Photo(Path(file).stem, decode(asked.body), file)
        kept = session.add(chosen)
    view = session.view(kept, asked.network, model)
    view.compute()
    return JSONResponse(photo_answer(kept, view, chosen))


def frame(asked: Asked) -> Response:
    """Answer a picture of the camera with its classes and the maps of one layer."""
    layer = asked.layer()
    chosen = Photo("camera", decode(asked.body))
    kept = asked.session.add(chosen, frame=True)
    view = asked.session.view(kept, asked.network, asked.model)
    view.compute([layer, asked.model.net.output])
    activation = view.activation(layer)
    sheet, shape = pictures.sheet(activation)
    return JSONResponse(photo_answer(kept, view, chosen) | {"sheet": pictures.data_url(sheet)} | shape)


def photo_answer(identifier: str, view: Any, chosen: Photo) -> dict[str, Any]:
    """Return the answer about a photo: its identifier, size and classes, and the photo as the network sees it."""
    height, width = chosen.picture.shape[:2]
    return {"photo": identifier, "title": chosen.title, "width": width, "height": height, "classes": view.classes(),
            "image": pictures.data_url(view.image)}


def decode(data: bytes) -> np.ndarray:
    """Return an uploaded photo as uint8 (H, W, 3).

    Raises InputError if it is no picture, TooLargeError if it has more than MOST_PIXELS pixels.
    """
    if not data:
        raise InputError("the upload is empty; send a picture file, or choose a photo by id")
    with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:
        path = Path(folder, "photo")
        path.write_bytes(data)
        try:
            return images.load_image(path, max_pixels=MOST_PIXELS)
        except InputError as problem:
            kind = TooLargeError if isinstance(problem, TooManyPixelsError) else InputError
            raise kind(f"the photo: {str(problem).removeprefix(f'{one_line(path)}: ')}") from None


def shown_photo(asked: Asked) -> Response:
    """Answer with the photo as the network sees it."""
    return image(asked.view.image)


def maps(asked: Asked) -> Response:
    """Answer with the sheet of all maps of a layer."""
    layer = asked.layer()
    sheet, shape = pictures.sheet(asked.view.activation(layer))
    headers = {f"X-{name.capitalize()}": ",".join(f"{number:.4g}" for number in value) if isinstance(value, list)
               else str(value) for name, value in shape.items()}
    return image(sheet, headers)


def picture(asked: Asked) -> Response:
    """Answer with a picture of one channel: its map over the photo, or the gradient of its strongest unit."""
    layer = asked.layer()
    channel, kind, view = asked.channel(layer), asked.choice("kind", CHANNEL_KINDS, "guided"), asked.view
    if kind == "overlay":
        values = pictures.as_maps(view.activation(layer))[channel]
        return image(pictures.heat(view.image, upsample_maps(values[None], *view.image.shape[:2])[0]))
    dx = GRADIENTS[kind](asked.model.net, view.x, layer, channel)
    return image(pictures.gradient(dx, asked.model.preprocessing))


def class_picture(asked: Asked) -> Response:
    """Answer with a picture of one class on the photo."""
    label, kind, view, model = asked.label(), asked.choice("kind", CLASS_KINDS, "saliency"), asked.view, asked.model
    if kind == "saliency":
        return image(pictures.hot(saliency_map(model.net, view.x, label)[0]))
    if kind == "gradcam":
        return image(pictures.heat(view.image, upsample_maps(grad_cam(model.net, view.x, label),
                                                             *view.image.shape[:2])[0]))
    if kind == "relevance":
        relevance = relevance_map(model.net, view.x, label, preprocessing=model.preprocessing)
        return image(pictures.signed(relevance[0].sum(axis=0)))
    return image(pictures.gradient(guided_backprop(model.net, view.x, model.net.output, label), model.preprocessing))


def patches(asked: Asked) -> Response:
    """Answer with the strongest patches of a channel in the collection, as far as they are found."""
    layer, _ = asked.layer(), translation(asked.language)
    channel, found = asked.channel(layer), asked.explorer.patches.get(asked.network, asked.model)
    if len(asked.model.net.shapes()[layer]) != 4:
        return JSONResponse({"patches": [], "note": _("this layer has no maps, so its units see the whole photo")})
    if found is None:
        return JSONResponse({"patches": [], "note": _(
            "no photos are at hand: start with --photos FOLDER, or get a set with: minicnn fetch caltech101")})
    return JSONResponse(found.answer(layer, channel))


def code(asked: Asked) -> Response:
    """Answer with the Python lines and the command that make a view."""
    view = asked.choice("view", VIEWS)
    names: dict[str, Any] = {"layer": None, "channel": 0, "label": 0, "style": next(iter(STYLES)), "side": DREAM_SIDE}
    if asked.text("layer", ""):
        layer = names["layer"] = asked.layer()
        channel = names["channel"] = asked.channel(layer) if asked.text("channel", "") else 0
        names["ascent"] = ascent(asked.model, layer, (asked.network, layer, channel) in asked.explorer.from_noise)
    if asked.text("label", ""):
        names["label"] = asked.label()
    if asked.text("style", ""):
        names["style"] = asked.choice("style", tuple(STYLES))
    file = "photo.jpg"
    if asked.text("photo", ""):
        file, names["side"] = asked.view.photo.file, dream_side(asked.view)
    return JSONResponse(code_of(view, asked.model, file, **names))


def class_checks(asked: Asked) -> Response:
    """Answer with the score of a class on the photo, and the numbers that prove its pictures."""
    label, view, model = asked.label(), asked.view, asked.model
    net, x = model.net, view.x
    checks = [check_saliency_map(net, x, label, saliency_map(net, x, label)),
              *check_grad_cam(net, x, label, grad_cam(net, x, label)),
              *check_relevance(net, x, label, relevance_map(net, x, label, preprocessing=model.preprocessing),
                               np.random.default_rng(0), preprocessing=model.preprocessing)]
    return JSONResponse({"score": float(view.activation(net.output)[label]),
                         "probability": float(class_probability(net, x, label)[0]),
                         "checks": shown_checks(checks, asked.language)})


def stop(asked: Asked) -> Response:
    """End the running stream of the session."""
    return JSONResponse({"stopped": asked.session.stop()})


def image(picture: np.ndarray, headers: dict[str, str] | None = None) -> Response:
    """Return a picture, uint8, as an answer."""
    return Response(pictures.png(picture), media_type="image/png", headers=headers)
