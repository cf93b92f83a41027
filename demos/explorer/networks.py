"""The networks that the explorer offers, each loaded when it is first asked for, and kept."""

import threading
from pathlib import Path

from minicnn.errors import InputError, one_line, unknown_name
from minicnn.models import Model, load_model
from minicnn.models.load import EMBEDDED, cached_models

from ..shared.default_network import SHAPES, default_network
from ..shared.inputs import choose_model
from ..shared.language import Translate
from ..shared.photo_files import warn

CLASSIFIERS = ("photos", SHAPES, "digits")  # the shipped networks that take pictures and give class scores
NOT_OFFERED = ("decoder", "autoencoder", "transform", "styles")  # parts of the names of networks of other kinds


class Networks:
    """The networks by the names that the page uses. `default` is the first to show.

    named : a network's name or a weights file, or None for the network of `default_network`.
    device : "cpu", "gpu" or "auto".
    Raises InputError if this network cannot be loaded, or if it takes no pictures.
    """

    def __init__(self, named: str | None, device: str = "cpu") -> None:
        self.device = device
        self.making = threading.Lock()
        self.loaded: dict[str, Model] = {}
        self.sources: dict[str, str] = {}
        model, self.reason = choose_model(named, device)
        chosen = named or default_network()[0]
        self.default = one_line(Path(chosen).stem, 60) if Path(chosen).suffix else chosen
        self.loaded[self.default] = model
        for name in (self.default, *cached_models(), *CLASSIFIERS):
            if name == self.default or name in CLASSIFIERS or not any(part in name for part in NOT_OFFERED):
                self.sources.setdefault(name, chosen if name == self.default else name)

    def names(self) -> list[str]:
        """Return the names of the networks, the default first."""
        return list(self.sources)

    def get(self, name: str | None) -> Model:
        """Return the Model of a name, with its fast network; the default for None.

        Raises InputError if there is no such network, or if its weights cannot be read.
        """
        name = self.default if name is None else name
        if name not in self.sources:
            raise unknown_name("network", name, self.sources)
        with self.making:
            if name not in self.loaded:
                self.loaded[name] = self.load(name)
            return self.loaded[name]

    def load(self, name: str) -> Model:
        """Return the Model. The complete reason of a failure, with its path, is printed, and not sent to the page."""
        try:
            model = load_model(self.sources[name], self.device).fast()
        except InputError as problem:
            warn(f"explore: {problem}")
            raise InputError(f"the weights of {name} cannot be read; the terminal shows the reason") from None
        if model.net.input_shape[0] not in (1, 3):
            raise InputError(f"{name} does not take pictures: its input has {model.net.input_shape[0]} channels")
        return model._replace(name=one_line(model.name, 60))


def title_of(name: str, _: Translate) -> str:
    """Return the text that the list of networks shows for a name."""
    shipped = {SHAPES: _("shapes: 12 drawn shapes"), "digits": _("digits: MNIST"),
               "photos": _("photos: small, shipped")}
    return shipped.get(name, name) if name in EMBEDDED else name
