"""The strongest patches of every channel in a collection: found once for each network, and kept in the cache folder."""

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import images
from minicnn.errors import InputError, one_line
from minicnn.files import replacing
from minicnn.models import Model, cache_folder
from minicnn.models.weights import weights_digest
from minicnn.visualize import TopPatches, crop_patch, top_patches_by_layer

from ..shared.photo_files import warn
from . import pictures
from .collection import Collection, collection_for
from .layers import field_of

TOP = 9
SIDE = 96            # largest side of a patch on the page, pixels
VALUES = 25_000_000  # activations in memory at a time: 100 MB
REST = 0.02          # seconds between two batches, in which other threads get the processor


class Patches:
    """The patches of one network, found by a thread that starts with the first question.

    calm : an Event that is set while no click waits, see work.py.
    """

    def __init__(self, model: Model, collection: Collection, calm: threading.Event) -> None:
        self.model, self.collection, self.calm = model, collection, calm
        self.best: dict[str, TopPatches] = {}
        self.read: list[int] = []  # numbers of the pictures that could be read, in the order of the patches
        self.seen, self.finished, self.ended = 0, False, False
        threading.Thread(target=self.search, daemon=True, name="explorer patches").start()

    def search(self) -> None:
        """Load the result from the cache folder, or search and save it there."""
        try:
            file = self.file()
            if not self.load(file):
                self.best = top_patches_by_layer(self.model.net, self.batches(), None, TOP, callback=self.watch)
                if not self.ended:
                    self.save(file)
        except InputError as problem:
            warn(f"explore: patches: {problem}")
        finally:
            self.finished = True

    def wait(self) -> None:
        """Wait until the search has ended."""
        while not self.finished:
            time.sleep(0.05)  # not a join, so that Ctrl-C ends it at once

    def watch(self, best: dict[str, TopPatches], seen: int) -> bool:
        """Keep the latest patches, and let clicks go first. Return whether the search ends."""
        self.best, self.seen = best, seen
        self.calm.wait(2)
        time.sleep(REST)
        return self.ended

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the pictures as inputs, a few at a time. A picture that cannot be read is skipped."""
        shapes = self.model.net.shapes().values()
        size = max(1, min(16, VALUES // sum(int(np.prod(shape)) for shape in shapes)))
        batch = []
        for number, source in enumerate(self.collection.sources):
            try:
                batch.append(source.load())
            except InputError:
                continue
            self.read.append(number)
            if len(batch) == size:
                yield self.model.preprocessing.to_input(np.stack(batch))
                batch = []
        if batch:
            yield self.model.preprocessing.to_input(np.stack(batch))

    def answer(self, layer: str, channel: int) -> dict[str, Any]:
        """Return the answer for one channel: its patches, and whether the search is still running."""
        found, total = self.best.get(layer), len(self.collection.sources)
        patches = [] if found is None else [self.patch(layer, *(part[channel, rank].item() for part in found))
                                            for rank in range(TOP) if found.values[channel, rank] > 0]
        state = {} if self.finished else {"pending": True, "progress": self.seen / total}
        return {"patches": patches, "title": self.collection.title, "photos": total} | state

    def patch(self, layer: str, activation: float, number: int, y: int, x: int) -> dict[str, Any]:
        """Return one patch for the page."""
        source, field = self.collection.sources[self.read[number]], field_of(self.model.net, layer)
        picture = source.load()
        patch = picture if field is None else crop_patch(picture, field, y, x, channels_last=True)
        if max(patch.shape[:2]) > SIDE:
            patch = images.resize_long_side(patch, SIDE)
        return {"src": pictures.data_url(patch), "title": source.name, "activation": activation, "at": [y, x]}

    # ---- the cache -----------------------------------------------------------------------------------------------

    def file(self) -> Path | None:
        """Return the file of the result in the cache folder, or None if there is no place for it."""
        key = f"{weights_digest(self.model.net)} {self.collection.key} {self.model.preprocessing} {TOP}"
        try:
            folder = cache_folder() / "explorer"
            folder.mkdir(parents=True, exist_ok=True)
        except (InputError, OSError):
            return None
        return folder / f"patches-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"

    def load(self, file: Path | None) -> bool:
        """Read the result of an earlier search. Return False if there is none, or if the file is damaged."""
        if file is None or not file.is_file():
            return False
        try:
            with np.load(file, allow_pickle=False) as arrays:
                best = {layer: TopPatches(*(arrays[f"{number} {part}"] for part in TopPatches._fields))
                        for number, layer in enumerate(arrays["layers"].tolist())}
                read = arrays["read"].tolist()
        except Exception as problem:  # of a damaged file
            warn(f"explore: patches: {one_line(file, 300)} cannot be read ({type(problem).__name__}); searching again")
            return False
        shapes = self.model.net.shapes()
        for layer, found in best.items():
            shape = shapes[layer][1], TOP
            if any(part.shape != shape for part in found) or found.images.max() >= len(read):
                return False
        self.read, self.best = read, best
        return True

    def save(self, file: Path | None) -> None:
        """Write the result into the cache folder."""
        if file is None:
            return
        arrays = {f"{number} {part}": array for number, found in enumerate(self.best.values())
                  for part, array in found._asdict().items()}
        with replacing(file, overwrite=True) as temporary:
            np.savez(temporary, layers=np.array(list(self.best)), read=np.array(self.read), **arrays)


class AllPatches:
    """The Patches of each network that was asked for. folder : the user's photos, or None."""

    def __init__(self, folder: str | None, calm: threading.Event) -> None:
        self.folder, self.calm = folder, calm
        self.started: dict[str, Patches | None] = {}

    def get(self, name: str, model: Model) -> Patches | None:
        """Return the Patches of the network called `name`; None if there is no collection for it."""
        if name not in self.started:
            collection = collection_for(model, self.folder)
            self.started[name] = collection and Patches(model, collection, self.calm)
        return self.started[name]

    def close(self) -> None:
        """End the searches after their batch."""
        for patches in self.started.values():
            if patches is not None:
                patches.ended = True
