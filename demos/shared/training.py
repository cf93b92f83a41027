"""What the training scripts share: their options, and a progress bar around the training."""

from tqdm import tqdm

from demos.shared.command import OneLineParser, natural_int, positive_int
from minicnn.files import require_target
from minicnn.losses import cross_entropy
from minicnn.optimize import Adam
from minicnn.training.train import CosineSchedule, train

# Options that the network does not depend on; a folder may have been moved.
NOT_ASKED = ("out", "overwrite", "half", "checkpoint", "folder", "save_every", "samples", "sample_every")


def training_parser(name, description, steps, batch_size):
    """A parser for python -m demos.NAME with the options of a training."""
    parser = OneLineParser(prog=f"python -m demos.{name}", description=description)
    parser.add_argument("-o", "--out", default=f"{name.removeprefix('train_')}.h5")
    parser.add_argument("--steps", type=positive_int, default=steps)
    parser.add_argument("--batch-size", type=positive_int, default=batch_size)
    parser.add_argument("--seed", type=natural_int, default=0)
    parser.add_argument("--checkpoint", help="a file to go on from after an interruption (.npz)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output file")
    return parser


def train_with_progress(net, batches, arguments, weight_decay=0.0, learning_rate=2e-3, loss=cross_entropy,
                        callback=None, checkpoint_every=500, only=None, variant=None):
    """Train in place: Adam, from the learning rate down along a cosine, with a bar that shows the loss.

    loss, checkpoint_every, only, variant : as `train` has them. callback : called with the step, from 0, after each.
    Raises InputError first where the result or the checkpoint could not be written afterwards, and for a checkpoint of
    a training with other options.
    """
    require_target(arguments.out, arguments.overwrite)
    if arguments.checkpoint:
        require_target(arguments.checkpoint, overwrite=True)
    with tqdm(total=arguments.steps, unit="step", disable=None) as bar:
        def show(step, value):
            bar.update(step + 1 - bar.n)
            bar.set_postfix(loss=f"{value:.4f}")
            if callback is not None:
                callback(step)
        train(net, batches, update=Adam(learning_rate), num_steps=arguments.steps,
              schedule=CosineSchedule(learning_rate, arguments.steps, warm_up=100), weight_decay=weight_decay,
              loss=loss, seed=arguments.seed, checkpoint=arguments.checkpoint, checkpoint_every=checkpoint_every,
              callback=show, only=only, variant=variant,
              settings={name: value for name, value in vars(arguments).items() if name not in NOT_ASKED})
