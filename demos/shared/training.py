"""Code that the training scripts share: their options, and a progress bar around the training."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from minicnn.files import require_target
from minicnn.network import Network
from minicnn.optimize import Adam
from minicnn.training import CosineSchedule, TrainingCheckpoint, train

from .claim import claim
from .command import OneLineParser, natural_int, positive_int

# Options that the trained network does not depend on; a folder may have been moved.
WITHOUT_EFFECT = ("out", "overwrite", "half", "checkpoint", "folder", "save_every", "samples", "sample_every",
                  "look_every")


def training_parser(name: str, description: str | None, steps: int, batch_size: int) -> ArgumentParser:
    """Return a parser for minicnn NAME with the options of a training. steps, batch_size : the defaults."""
    out = f"{name.removeprefix('train_')}.h5"
    parser = OneLineParser(prog=f"minicnn {name}", description=description)
    parser.add_argument("-o", "--out", default=out, help=f"file of the trained network (default: {out})")
    parser.add_argument("--steps", type=positive_int, default=steps, help=f"number of steps (default: {steps})")
    parser.add_argument("--batch-size", type=positive_int, default=batch_size,
                        help=f"images in a batch (default: {batch_size})")
    parser.add_argument("--seed", type=natural_int, default=0, help="seed of the random generator (default: 0)")
    parser.add_argument("--checkpoint", help="file (.npz) from which an interrupted training continues (default: none)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output file if it exists")
    return parser


def train_with_progress(net: Network, batches: Any, arguments: Namespace, learning_rate: float = 2e-3,
                        callback: Callable[[int], Any] | None = None, checkpoint_every: int = 500,
                        changeable: Sequence[str] = (), **options: Any) -> None:
    """Train the network in place by Adam, whose rate falls along a cosine, and show the loss in a progress bar.

    The fast network of the same layers computes it.

    options : of `train`, such as weight_decay and loss. callback : called with the step, from 0, after each step.
    changeable : names of options that may have another value when a training continues.
    Raises InputError before the training if the result or the checkpoint could not be written, or if another run is
    about to write it. Raises InputError also if the checkpoint is of a training with other options.
    """
    require_target(arguments.out, arguments.overwrite)
    claim(Path(arguments.out), is_file=True)
    checkpoint = None
    if arguments.checkpoint:
        require_target(arguments.checkpoint, overwrite=True)
        claim(Path(arguments.checkpoint), is_file=True)
        settings = {name: value for name, value in vars(arguments).items()
                    if name not in (*WITHOUT_EFFECT, *changeable)}
        checkpoint = TrainingCheckpoint(arguments.checkpoint, checkpoint_every, settings)
    with tqdm(total=arguments.steps, unit="step", disable=None) as bar:
        def show(step: int, value: float) -> None:
            bar.update(step + 1 - bar.n)
            bar.set_postfix(loss=f"{value:.4f}")
            if callback is not None:
                callback(step)
        train(net.fast(), batches, update=Adam(learning_rate), num_steps=arguments.steps,
              schedule=CosineSchedule(learning_rate, arguments.steps, warm_up=100), seed=arguments.seed,
              checkpoint=checkpoint, callback=show, **options)
