"""Take off the wrappers around a network's names: `module.`, `backbone.`, `params_ema.`, groups of a checkpoint, …

No list of wrappers is needed. An array fits if its name ends like a name of the network and if it has the right
shape. A word in the middle may be skipped too, as DataParallel adds one when it wraps a part of a network:
features.module.0.weight. The names that a trunk has by itself, 0.weight instead of features.0.weight, fit as well. All
arrays of a network should have the same wrapper; if several wrappers fit, `_rank` decides.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .formats.stored import StoredArray
from .sources.source import Source

WORD = re.compile(r"[^./:|]+")
TRUNK = "features"  # the module whose own state_dict has names without it
DEEPEST = 24  # words of a name; longer names fit no network
AVERAGED = re.compile(r"(^|[^a-z])(ema|swa|averaged?|teacher|shadow|polyak)([^a-z]|$)", re.IGNORECASE)
NOT_WEIGHTS = re.compile(r"optim|momentum|exp_avg|grad|velocity|(^|[^a-z])adam", re.IGNORECASE)


class Fit(NamedTuple):
    """One way to read an array as an array of a Source.

    name : the source's name. wrapper : the text in front of it. middle : the word that was skipped, or "".
    bare : True if `features.` is not in the name.
    """

    name: str
    wrapper: str
    middle: str
    bare: bool
    array: StoredArray

    @property
    def removed(self) -> str:
        """The wrapper as text for the report: "module.", or "features.module." for a word in the middle."""
        if not self.middle:
            return self.wrapper
        return self.array.name[:self.array.name.index(self.middle, len(self.wrapper)) + len(self.middle)] + "."


class Choice(NamedTuple):
    """The Fit chosen for each of the source's names, what was taken off, and other wrappers that fit as well."""

    fits: dict[str, Fit]
    wrapper: str
    removed: list[str]
    others: list[str]


Words = tuple[str, ...]


class NameIndex:
    """The names of all sources, by their words."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.exact: dict[Words, list[tuple[int, str]]] = {}
        self.bare: dict[Words, list[tuple[int, str]]] = {}
        self.joined: dict[str, list[tuple[int, str]]] = {}  # features_0_weight, for formats that forbid the dots
        for number, source in enumerate(sources):
            for name in (*source.names, *source.constants, *source.left_out):
                words = words_of(name)
                self.exact.setdefault(words, []).append((number, name))
                self.joined.setdefault("_".join(words), []).append((number, name))
                if words[0] == TRUNK:
                    self.bare.setdefault(words[1:], []).append((number, name))
        self.last_words = {words[-1] for words in self.exact}

    def fits(self, arrays: Sequence[StoredArray]) -> dict[int, list[Fit]]:
        """Return {number of a source: all ways to read an array as one of its arrays}."""
        found: dict[int, list[Fit]] = {}
        for array in arrays:
            for number, fit in self._fits_of(array):
                found.setdefault(number, []).append(fit)
        return found

    def _fits_of(self, array: StoredArray) -> list[tuple[int, Fit]]:
        matches = list(WORD.finditer(re.sub(r":\d+$", "", array.name)))  # TensorFlow's kernel:0
        words = tuple(match[0] for match in matches)
        if len(words) == 1:
            return [(number, Fit(name, "", "", False, array))
                    for number, name in self.exact.get(words, self.joined.get(words[0], []))]
        if not words or len(words) > DEEPEST or words[-1] not in self.last_words:
            return []
        found = []
        for start in range(len(words)):
            wrapper, rest = array.name[:matches[start].start()], words[start:]
            found += [(number, Fit(name, wrapper, "", False, array)) for number, name in self.exact.get(rest, [])]
            if not start or words[start - 1] != TRUNK:
                found += [(number, Fit(name, wrapper, "", True, array)) for number, name in self.bare.get(rest, [])]
            for middle, shorter in _without_a_word(rest):
                found += [(number, Fit(name, wrapper, middle, False, array))
                          for number, name in self.exact.get(shorter, [])]
        return found


def _without_a_word(words: Words) -> list[tuple[str, Words]]:
    """Return (word, the other words) for each word in the middle, and for a repeated word without any of it."""
    shorter = {words[:i] + words[i + 1:]: word for i, word in enumerate(words) if 0 < i < len(words) - 1}
    for word in {word for word in words[1:-1] if words.count(word) > 1}:
        shorter.setdefault(tuple(other for other in words if other != word), word)
    return [(word, rest) for rest, word in shorter.items()]


def choose(fits: Sequence[Fit], has_right_shape: Callable[[Fit], bool], needed: Sequence[str]) -> Choice:
    """Return the Fits of the wrapper under which most arrays have the right shape.

    Names in `needed` that this wrapper lacks are taken from others if exactly one array fits, as networks that were
    cut into several modules have several wrappers.
    """
    groups: dict[tuple[str, bool], dict[str, Fit]] = {}
    good: dict[tuple[str, bool], set[str]] = {}
    elsewhere: dict[str, list[Fit]] = {}
    for fit in sorted(fits, key=lambda fit: fit.middle != ""):
        key, right = (fit.wrapper, fit.bare), has_right_shape(fit)
        names, right_names = groups.setdefault(key, {}), good.setdefault(key, set())
        if right and fit.name not in right_names:
            names[fit.name] = fit
            right_names.add(fit.name)
            elsewhere.setdefault(fit.name, []).append(fit)
        names.setdefault(fit.name, fit)
    order = sorted(groups, key=lambda key: (-len(good[key]), _rank(key[0]), key[1]))
    best = order[0]
    chosen = dict(groups[best])
    for name in needed:
        if name not in chosen:
            candidates = {fit.array.name: fit for fit in elsewhere.get(name, []) if not _rank(fit.wrapper)}
            if len(candidates) == 1:
                chosen[name] = next(iter(candidates.values()))
    used = {fit.array.name for fit in chosen.values()}
    others = [wrapper for wrapper, bare in order[1:] if len(good[wrapper, bare]) == len(good[best])
              and not any(fit.array.name in used for fit in groups[wrapper, bare].values())]
    removed = dict.fromkeys(fit.removed for fit in chosen.values() if fit.removed)
    return Choice(chosen, best[0], list(removed), list(dict.fromkeys(others)))


def _rank(wrapper: str) -> int:
    """Return 0 for trained weights, 1 for averages of them, 2 for the state of an optimizer."""
    return 2 if NOT_WEIGHTS.search(wrapper) else 1 if AVERAGED.search(wrapper) else 0


def words_of(name: str) -> Words:
    """Return the words of a name: ("features", "0", "weight")."""
    return tuple(WORD.findall(name))
