"""What demos.train_photos shows: the curve of the accuracy and the table of the classes."""

from typing import Any

from matplotlib.figure import Figure


def curve_figure(looks: list[list[float]]) -> Figure:
    """Return a figure of the accuracy on held-out photos over the steps. looks : [step, accuracy, mean of classes]."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    steps, right, mean = zip(*looks, strict=True)
    axes.plot(steps, [100 * value for value in mean], marker=".", label="mean of the classes")
    axes.plot(steps, [100 * value for value in right], color="0.6", label="all photos")
    axes.set(xlabel="training step", ylabel="right, % of held-out photos", ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def show_table(card: dict[str, Any]) -> None:
    """Print the accuracy of each class, the worst first, and the most frequent mistakes."""
    for label, (recall, count) in sorted(card["classes"].items(), key=lambda item: item[1][0]):
        print(f"  {label:<16} {recall:6.1%} of {count}")
    for label, other, count, share in card["confusions"]:
        print(f"  {label} taken for {other}: {count} ({share:.0%})")
    print(f"mean of the classes {card['mean class accuracy']:.2%}, all photos {card['accuracy']:.2%}")
