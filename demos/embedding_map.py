"""Pictures on a map, by t-SNE: python -m demos.embedding_map [--mnist FOLDER] [--count N]"""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from tqdm import tqdm

from demos.shared.command import demo_parser, main, positive_int
from demos.shared.inputs import choose_model
from demos.shared.picture import Picture, run_demo
from minicnn.backend import to_device, to_host
from minicnn.datasets.mnist import load_digits
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.errors import InputError
from minicnn.visualize.embedding.embedding_check import check_pca
from minicnn.visualize.embedding.features import feature_layer, image_features
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import check_points, tsne
from minicnn.visualize.embedding.tsne_check import check_map, check_map_gradient, check_same_map

NAMES = ("embedding_map",)
DRAWN = 600  # pictures, where there are none given


def pictures(model, x=None, labels=None, layer=None, perplexity=None, num_steps=1000, seed=0, count=DRAWN):
    """Techniques 4, 5: the features of pictures x (N, C, H, W), with their labels (N,), as PCA and as t-SNE draw them.

    Left out, `count` drawn shapes, which a network other than `shapes` describes as well as it can. perplexity : left
    out, 30, or as many as so few pictures allow.
    """
    names = model.labels
    if x is None:
        names = CLASSES
        x, labels = draw_pictures(model, count, seed)
    layer = layer or feature_layer(model.net)
    features = image_features(model.net, x, layer)
    if perplexity is None:
        perplexity = max(1.1, min(30.0, (len(x) - 1) / 3))
    check_points(features, perplexity)
    components = pca(features, 2)
    plain = components.positions
    positions, history, interrupted = draw_map(features, model.net.device, perplexity, num_steps, seed)
    title = (f"{model.name}: {len(x):,} pictures by their {features.shape[1]} numbers at {layer}"
             + (f", interrupted at step {history[-1][0]}" if interrupted else ""))
    figure = show_maps([("two principal components", plain),
                        (f"t-SNE, perplexity {perplexity:g}, divergence {history[-1][1]:.2f}", positions)],
                       labels, names, title)
    yield Picture(
        "embedding_map", title, figure, positions,
        "Each point is a picture, coloured by its class, which the map is not told. Pictures that are alike to the "
        "network are neighbours: what it has learnt to tell apart lies apart. How far apart clusters are, and how "
        "large they are, says little.",
        "van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008; Linderman et al. 2019 (arXiv:1712.09005)",
        [*check_pca(features, components), *check_map(features, labels, positions, plain, history, perplexity),
         check_map_gradient(features, positions, np.random.default_rng(seed)), check_same_map(features, seed)],
        {"count": len(x), "layer": layer, "perplexity": perplexity, "steps": num_steps, "seed": seed,
         "divergence": history})
    if interrupted:
        raise KeyboardInterrupt


def draw_pictures(model, count, seed):
    """Drawn shapes, of all classes alike, as the network wants them: x (count, C, H, W) and labels (count,)."""
    if model.net.input_shape[0] != 3:
        raise InputError(f"{model.name} takes grey digits, not drawn shapes: give --mnist FOLDER")
    labels = np.arange(count) % len(CLASSES)
    images, _ = draw_shapes(labels, np.random.default_rng([seed, 5]), model.preprocessing.crop)
    return model.preprocessing.to_input(images), labels


def draw_map(features, device, perplexity, num_steps, seed):
    """(positions, history, interrupted) of t-SNE, with a progress bar; Ctrl-C ends it and keeps the map so far."""
    history, latest, interrupted = [], None, False
    with tqdm(total=num_steps, desc="t-SNE", unit="step", leave=False, disable=None) as bar:
        def watch(step, divergence, positions):
            nonlocal latest
            latest = positions
            history.append((step, divergence))
            bar.update(step - bar.n)
            bar.set_postfix(divergence=f"{divergence:.3f}")
        try:
            latest, _ = tsne(to_device(features, device), perplexity, num_steps, rng=np.random.default_rng(seed),
                             exaggerated_steps=min(250, num_steps // 4), callback=watch)
        except KeyboardInterrupt:
            if latest is None:
                raise
            interrupted = True
    return to_host(latest), history, interrupted


def show_maps(maps, labels, names, title):
    """A figure of maps side by side, [(caption, positions (N, 2))], coloured by class; few classes are named there."""
    figure = Figure(figsize=(6.5 * len(maps) + 1.6, 6.9), layout="constrained")
    present = np.unique(labels)
    colours = colormaps["tab10" if len(present) <= 10 else "tab20"]
    size = float(np.clip(9000 / len(labels), 1.5, 18))
    for axis, (caption, positions) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        for number, label in enumerate(present):
            points = positions[labels == label]
            colour = colours(number % colours.N)
            axis.scatter(*points.T, s=size, color=colour, linewidths=0, label=names[label].split(", ")[0])
        axis.set(title=caption, xticks=[], yticks=[])
        axis.set_aspect("equal", "datalim")
    handles, captions = axis.get_legend_handles_labels()
    legend = figure.legend(handles, captions, loc="outside right center", frameon=False, fontsize=10)
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    figure.suptitle(title, fontsize=12)
    return figure


def run(arguments):
    """Load, draw, save."""
    model, said = choose_model(arguments.model or ("digits" if arguments.mnist else "shapes"), arguments.device)
    print(said)
    x = labels = None
    if arguments.mnist:
        x, labels = find_digits(Path(arguments.mnist), model.net.input_shape)
        x, labels = x[:arguments.count], labels[:arguments.count]
    run_demo(pictures(model, x, labels, arguments.layer, arguments.perplexity, arguments.steps, arguments.seed,
                      arguments.count or DRAWN), model, arguments, NAMES)


def find_digits(path, input_shape):
    """MNIST's test digits in the folder, or the digits of which `path` is a file: x (N, 1, 28, 28), labels (N,)."""
    if input_shape[0] != 1:
        raise InputError("digits are grey pictures: give --model digits, or another network that takes those")
    if path.is_file():
        return load_digits(path.parent, "train" if path.name.startswith("train") else "t10k")
    return load_digits(path, "t10k")


def parser():
    """The command line."""
    parser = demo_parser("embedding_map", __doc__, photos=False, model_help="a network's name or a weights file (.h5); "
                         "left out, the shipped network that knows the pictures: shapes, or digits for --mnist")
    parser.add_argument("--mnist", metavar="PATH", help="MNIST's folder, for its test digits, or a file of it; left "
                        "out, shapes are drawn")
    parser.add_argument("--count", type=positive_int, help=f"pictures; left out, all digits, or {DRAWN} drawn shapes")
    parser.add_argument("--layer", help="whose activations; left out, the last before the classes")
    parser.add_argument("--perplexity", type=float, help="how many neighbours count; left out, 30, or a third of the "
                        "pictures where they are few")
    parser.add_argument("--steps", type=positive_int, default=1000, help="of t-SNE (default 1000)")
    return parser


if __name__ == "__main__":
    main(run, parser())
