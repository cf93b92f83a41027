"""The figures of a comparison of attribution methods."""

import numpy as np
from matplotlib.figure import Figure

from minicnn import plot
from minicnn.visualize.attribution.compare import METHODS
from minicnn.visualize.attribution.deletion import RANDOM, mean_area
from minicnn.visualize.attribution.randomise import UNCHANGED, upper_half

from .shared.inputs import short_label

COLOURS = dict(zip(METHODS, ("#d62728", "#ff7f0e", "#bcbd22", "#2ca02c", "#006400", "#000000", "#17becf", "#1f77b4",
                             "#9467bd", "#4b0082", "#b388eb", "#e377c2", "#c71585", "#0000cd", "#8c564b"),
                   strict=True)) | {RANDOM: "#666666"}


def draw_comparison(model, photo, label, maps, deletion, insertion, matrix, stages, similarities):
    """Return the figure: two rows of maps; below them the curves, the rank correlations and the randomisation."""
    figure = Figure(figsize=(16, 14.5), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[5, 9.5])  # type: ignore[misc]  # always an array of two here
    p = deletion[RANDOM][0, 0]
    panels: list[tuple] = [(f"{photo.name}: {p:.1%}\n{short_label(model, label)}", photo.image, {}, "black")]
    for method, found in maps.items():
        empty = "" if found.any() else ": exactly zero"
        panels.append((method + empty, found[0], plot.saliency_range(found[0]), COLOURS[method]))
    for axis, (caption, picture, options, colour) in zip(upper.subplots(2, 8).ravel(), panels, strict=True):
        plot.hide_axes(axis)
        axis.imshow(picture, **({"interpolation": "nearest"} | options))
        axis.set_title(caption, fontsize=9, color=colour, fontweight="bold")
    upper.supxlabel("each map from 0, black, to its own 99.7th percentile, white", fontsize=9)
    (left, right), (below_left, below_right) = lower.subplots(2, 2)
    draw_curves(left, deletion, "deletion of blocks, the most important first; low is good",
                "deleted share of the photo", 1)
    draw_curves(right, insertion, "insertion of the same blocks into a blurred photo; high is good",
                "inserted share of the photo", -1)
    draw_matrix(below_left, matrix)
    draw_randomisation(below_right, stages, similarities)
    return figure


def draw_curves(axis, curves, title, xlabel, sign):
    """Draw the probability over the share of the blocks. The legend begins with the best area.

    sign : 1 if a small area is good, -1 if a large one is.
    """
    shares = np.linspace(0, 1, curves[RANDOM].shape[1])
    for method in sorted(curves, key=lambda method: sign * mean_area(curves[method])):
        mean = curves[method].mean(axis=0)
        axis.plot(shares, mean, color=COLOURS[method], linewidth=1.6, linestyle="--" if method == RANDOM else "-",
                  label=f"{mean_area(curves[method]):.3f}  {method}")
        if method == RANDOM:
            spread = curves[method].std(axis=0)
            axis.fill_between(shares, mean - spread, mean + spread, color=COLOURS[method], alpha=0.25, linewidth=0)
    axis.set(xlim=(0, 1), ylim=(0, None), xlabel=xlabel, ylabel="probability of the class")
    finish(axis, title, "area")


def draw_matrix(axis, matrix):
    """Draw Spearman's rank correlations as colours, with their numbers."""
    axis.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(matrix):
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5,
                  color="white" if abs(value) > 0.65 else "black")
    places = range(len(METHODS))
    axis.set_xticks(places, METHODS, rotation=40, ha="right", fontsize=8.5)
    axis.set_yticks(places, METHODS, fontsize=8.5)
    axis.set_title("rank correlations of the maps", fontsize=10)


def draw_randomisation(axis, stages, similarities):
    """Draw the rank correlation with the trained network's map for each stage.

    The legend begins with the method that changes least.
    """
    if not similarities:
        axis.text(0.5, 0.5, "interrupted before the first draw was finished", ha="center", transform=axis.transAxes)
    for method in sorted(similarities, key=lambda method: -upper_half(similarities[method])):
        values = similarities[method].mean(axis=0)
        axis.plot(range(len(stages) + 1), [1, *values], color=COLOURS[method], linewidth=1.6, marker=".",
                  label=f"{upper_half(similarities[method]):.2f}  {method}")
    axis.axhline(UNCHANGED, color="black", linewidth=0.8, linestyle=":")
    axis.axvline((len(stages) + 1) // 2, color="black", linewidth=0.8, linestyle=":")
    axis.set_xticks(range(len(stages) + 1), ["trained", *stages], rotation=40, ha="right", fontsize=8.5)
    axis.set(ylim=(min(-0.5, axis.get_ylim()[0]), 1.03), ylabel="rank correlation with trained map",
             xlabel="random weights from the scores down to")
    finish(axis, "randomisation: a map above the line at half of the stages fails", "at half")


def finish(axis, title, heading):
    """Add the title, the grid, and a legend to the right of the axis."""
    axis.set_title(title, fontsize=10)
    axis.grid(alpha=0.25)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8.5, frameon=False, title=heading,
                    alignment="left", title_fontsize=8.5)


def draw_pointing(shares, wider, untrained, count, margin, chance):
    """Return the figure: bars of each method's share of hits, and pale bars of its share with the margin.

    The error bars are 95 % confidence intervals of a binomial distribution.
    """
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    axis = figure.subplots()
    for place, method in enumerate(reversed(METHODS)):
        share = shares[method]
        axis.barh(place, wider[method], color=COLOURS[method], alpha=0.3)
        axis.barh(place, share, color=COLOURS[method], xerr=1.96 * (share * (1 - share) / count) ** 0.5)
        axis.text(1.02, place, f"{share:6.1%}{wider[method]:9.1%}{untrained[method]:11.0%}", va="center", fontsize=8.5,
                  family="monospace")
    axis.text(1.02, len(METHODS) - 0.4, "inside   margin  untrained", fontsize=8.5, family="monospace")
    axis.plot([untrained[method] for method in reversed(METHODS)], range(len(METHODS)), "kD", markersize=5)
    axis.axvline(chance, color="black", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(METHODS)), list(reversed(METHODS)))
    axis.set(xlim=(0, 1), xlabel=f"share of {count} drawn pictures with the map's largest value in the object\n"
             f"pale: or up to {margin} pixels from it; diamonds: untrained network; dashed: chance, {chance:.0%}")
    return figure


def draw_areas(areas, methods, shares):
    """Return the figure: two panels of bars, the best method on top, with the standard errors over the photos.

    areas : {"deletion" or "insertion": (photos, methods)}. shares : {kind: {method: share of photos}}.
    """
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    for axis, (kind, values) in zip(figure.subplots(1, 2), areas.items(), strict=True):
        means, errors = values.mean(axis=0), values.std(axis=0) / max(1, len(values) - 1) ** 0.5
        order = np.argsort(means if kind == "insertion" else -means, kind="stable")
        for place, k in enumerate(order):
            method = methods[k]
            axis.barh(place, means[k], color=COLOURS[method], xerr=errors[k])
            share = "" if method == RANDOM else f"   {shares[kind][method]:4.0%}"
            axis.text(1.02, place, f"{means[k]:.3f}{share}", va="center", fontsize=8.5, family="monospace",
                      transform=axis.get_yaxis_transform())
        axis.text(1.02, len(order) - 0.3, " area  better than random", fontsize=8, transform=axis.get_yaxis_transform())
        axis.set_yticks(range(len(order)), [methods[k] for k in order], fontsize=9)
        axis.set(xlim=(0, None), xlabel=f"mean area under the curve, {len(values)} photos")
        axis.set_title("deletion: small is good" if kind == "deletion" else "insertion: large is good", fontsize=10)
    return figure
