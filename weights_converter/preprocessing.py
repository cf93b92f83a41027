"""Which preprocessing a network takes: as asked, as published, by the values of its first filters, or the usual one."""

from typing import NamedTuple

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.models.preprocessing import PREPROCESSINGS, TORCHVISION, Preprocessing

from .match import Match
from .sources import SOURCES
from .sources.known_filters import KNOWN, KnownFilters
from .sources.published import published_as
from .sources.source import Source

SAME = 0.9  # mean cosine of filters of the same training, fine-tuned or not; of Caffe's VGG in the other order: 0.68
CHOICES = "--preprocessing " + "|".join(PREPROCESSINGS)
GREY_LEVELS = 255 * sum(TORCHVISION.std) / 3  # in one standard deviation of torchvision's input


class Taken(NamedTuple):
    """A Match whose source has the preprocessing to take, and the line of the report about it."""

    match: Match
    line: str


def take_preprocessing(match: Match, first: Array | None, sha256: str, asked: str | None = None) -> Taken:
    """Return the Match with the preprocessing of this file.

    Parameters
    ----------
    match : of the names and shapes. Its source has the preprocessing that is usual for these names.
    first : the filters of the first convolution, OIHW, or None if the file does not have them.
    sha256 : of the file.
    asked : a name of PREPROCESSINGS that the user chose, or None.

    Raises InputError if nothing tells the preprocessing, with the choices.
    """
    source = match.source
    if asked:
        chosen = PREPROCESSINGS[asked]._replace(resize=source.preprocessing.resize, crop=source.preprocessing.crop)
        return Taken(match._replace(source=source._replace(preprocessing=chosen)), _line(chosen, "as asked"))
    if published_as(sha256) or not source.classes:
        return Taken(match, _line(source.preprocessing, f"as published for {source.name}"))
    found = by_values(first) if first is not None else None
    if found:
        known, preprocessing = found
        if _are_equal(preprocessing, source.preprocessing):
            reason = f"as published for {source.name}, and its first filters are those of {known.source}"
            return Taken(match, _line(source.preprocessing, reason))
        other = _as_known(source, known, preprocessing)
        return Taken(match._replace(source=other),
                     _line(other.preprocessing, f"by its values: the first filters are those of {known.source}"))
    if source.names_tell_nothing:
        raise InputError(f"its names are used for several trainings of {source.architecture}, and its first filters "
                         f"are of none that is known here: choose the preprocessing with {CHOICES}")
    return Taken(match, _line(source.preprocessing, f"the usual one for {source.publisher}'s names, as the values are "
                                                    f"not known here; if it was trained with another: {CHOICES}"))


def by_values(w: Array) -> tuple[KnownFilters, Preprocessing] | None:
    """Return the published filters that `w` (F, 3, k, k) has, and the preprocessing for them; None if they are new."""
    best, similarity, order, ratios = None, SAME, "", np.ones(1)
    for known in KNOWN:
        if w.shape != known.shape:
            continue
        theirs = known.filters()
        with np.errstate(all="ignore"):  # damaged values, which are refused later
            ours = w[:len(theirs)].astype(np.float64)
        for candidate, flipped in (("RGB", known.order == "BGR"), ("BGR", known.order == "RGB")):
            cosine, norms = _compare(ours[:, ::-1] if flipped else ours, theirs)
            if cosine > similarity:
                best, similarity, order = known, cosine, candidate
                ratios = norms / known.norm if known.norm else np.ones(1)
    return (best, _scaled(_of_source(best.source), order, ratios)) if best else None


def _compare(ours: Array, theirs: Array) -> tuple[float, Array]:
    """Return the mean cosine between two arrays of filters, and the norms of `ours`."""
    ours, theirs = ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1)
    with np.errstate(all="ignore"):  # filters of zeros give NaN, which is similar to nothing
        norms = np.sqrt((ours**2).sum(1))
        cosines = (ours * theirs).sum(1) / (norms * np.sqrt((theirs**2).sum(1)))
        return float(np.mean(cosines)), norms


def _scaled(published: Preprocessing, order: str, ratios: Array) -> Preprocessing:
    """Return the preprocessing for filters that are `ratios` times as long as the published ones.

    Filters made for 0..255 and multiplied by 255 take 0..1; those multiplied by 58 take torchvision's input.
    """
    preprocessing, ratio = published, float(np.median(ratios))
    if published.scale == 1.0 and 200 < ratio < 320:
        preprocessing = published._replace(scale=1 / 255, mean=tuple(round(m / 255, 6) for m in published.mean))
    elif published.scale == 1.0 and 0.8 < ratio / GREY_LEVELS < 1.25:
        preprocessing = TORCHVISION._replace(resize=published.resize, crop=published.crop)
    if preprocessing.channel_order == order:
        return preprocessing
    return preprocessing._replace(channel_order=order, mean=preprocessing.mean[::-1], std=preprocessing.std[::-1])


def _of_source(name: str) -> Preprocessing:
    """Return the preprocessing of the published source of that name."""
    return next(source.preprocessing for source in SOURCES if source.name == name)


def _are_equal(a: Preprocessing, b: Preprocessing) -> bool:
    """Return True if both give the same input up to two grey levels: Caffe's means are rounded in several ways."""
    def black_and_slope(p: Preprocessing) -> Array:
        std = np.array(p.std)
        return np.array([p.scale / std, np.array(p.mean) / p.scale])

    (slope_a, black_a), (slope_b, black_b) = black_and_slope(a), black_and_slope(b)
    return (a.channel_order == b.channel_order and np.allclose(slope_a, slope_b, rtol=0.05)
            and np.allclose(black_a, black_b, atol=2))


def _as_known(source: Source, known: KnownFilters, preprocessing: Preprocessing) -> Source:
    """Return the source with the name, origin, options and preprocessing of the training whose values it has."""
    siblings = [other for other in SOURCES if other.architecture == source.architecture
                and _are_equal(other.preprocessing, _of_source(known.source))]
    sibling = next((other for other in siblings if other.name == known.source), siblings[0] if siblings else None)
    if sibling is None:
        return source._replace(preprocessing=preprocessing._replace(resize=source.preprocessing.resize,
                                                                    crop=source.preprocessing.crop))
    name = sibling.name if preprocessing.channel_order == sibling.preprocessing.channel_order else (
        f"{sibling.name}_{preprocessing.channel_order.lower()}")
    padding = {key: value for key, value in source.options.items() if key == "padding"}
    return source._replace(name=name, origin=sibling.origin, licence=sibling.licence, note=sibling.note,
                           options={**sibling.options, **padding},
                           preprocessing=preprocessing._replace(resize=sibling.preprocessing.resize,
                                                                crop=sibling.preprocessing.crop))


def _line(preprocessing: Preprocessing, reason: str) -> str:
    """Return the line of the report."""
    return f"preprocessing: {describe(preprocessing)}; {reason}"


def describe(preprocessing: Preprocessing) -> str:
    """Describe a preprocessing for people: RGB, pixels 0..1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225."""
    pixels = "0..255" if preprocessing.scale == 1 else f"0..{255 * preprocessing.scale:.4g}"
    mean, std = (" ".join(f"{value:.6g}" for value in values) for values in (preprocessing.mean, preprocessing.std))
    name = next((name for name, known in PREPROCESSINGS.items() if known[:4] == preprocessing[:4]), "")
    return f"{preprocessing.channel_order}, pixels {pixels}, mean {mean}, std {std}" + (f" ({name})" if name else "")
