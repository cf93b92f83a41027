"""The rank of each class for its class visualization, 60 classes of ImageNet: python tests/benchmarks/class_ranks.py

The pictures are rounded to 8 bits, as in an image file. Needs squeezenet1_1 in the cache folder.
"""

import argparse

import numpy as np

from minicnn import load_model
from minicnn.backend import to_device, to_host
from minicnn.visualize import class_visualization
from minicnn.visualize.synthesis.ascent_settings import CLASS_PRESETS

SETS = {"every 50th": range(0, 1000, 50), "every 50th from 25": range(25, 1000, 50),
        "CS231n's and others": (76, 78, 187, 683, 366, 604, 113, 971, 130, 340, 1, 99, 207, 281, 417, 515, 629, 717,
                                849, 954)}


def scores_of(model, label, settings, seed):
    """Return the scores of the 8-bit picture of one class."""
    image, _ = class_visualization(model.net, label, model.preprocessing, settings,
                                   rng=np.random.default_rng([seed, label]))
    picture = model.preprocessing.to_input(model.preprocessing.to_image(image))
    return to_host(model.net.predict(to_device(picture, model.net.device)))[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", metavar="PRESET", default=["distill", "margin", "cs231n", "simonyan"],
                        help="presets of class visualization (default: distill margin cs231n simonyan)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random generator (default: 0)")
    arguments = parser.parse_args()
    model = load_model("squeezenet1_1").fast()
    for preset in arguments.presets:
        for name, labels in SETS.items():
            scores_by_label = {label: scores_of(model, label, CLASS_PRESETS[preset], arguments.seed)
                               for label in labels}
            ranks = {label: 1 + int((scores > scores[label]).sum()) for label, scores in scores_by_label.items()}
            margins = [scores[label] - np.delete(scores, label).max() for label, scores in scores_by_label.items()]
            missed = [f"{model.labels[label].split(',')[0]} {rank}" for label, rank in ranks.items() if rank > 1]
            print(f"{preset}, {name}: {len(ranks) - len(missed)} of {len(ranks)} first, not {missed}; "
                  f"score {np.mean([scores[label] for label, scores in scores_by_label.items()]):.1f}, "
                  f"margin {min(margins):.1f} / {np.median(margins):.1f} / {max(margins):.1f}", flush=True)
