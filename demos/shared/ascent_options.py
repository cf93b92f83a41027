"""What the demos of gradient ascent do alike: the options that stand for its settings, and faint pictures."""

from demos.shared.command import natural_int, natural_number, positive_int, positive_number
from demos.shared.long_run import add_presets
from minicnn import plot


def add_ascent_options(parser, presets, default):
    """--preset, and an option for each setting of `minicnn.visualize.synthesis.ascent.ascend`."""
    add_presets(parser, presets, default)
    parser.add_argument("--steps", dest="num_steps", type=positive_int, help="for each image")
    parser.add_argument("--start-noise", type=natural_number, metavar="DEVIATION",
                        help="of the first image; 0 is the mean colour")
    parser.add_argument("--policy", help="normalized: steps of one length; constant: as long as the gradient says; "
                        "progress: so long that the score would rise by --progress")
    parser.add_argument("--learning-rate", type=positive_number, help="length of a normalized step, at 224 pixels; "
                        "what the gradient is multiplied by, or by at most")
    parser.add_argument("--progress", type=positive_number, help="of the score in a step, for that policy")
    parser.add_argument("--gain", type=positive_number, help="every step is so many times longer")
    parser.add_argument("--l2-reg", type=natural_number, help="penalty on the sum of squares")
    parser.add_argument("--decay", type=natural_number, help="share that the image loses in each step")
    parser.add_argument("--blur-every", type=positive_int, metavar="STEPS", help="from one blur to the next")
    parser.add_argument("--blur-sigma", type=natural_number, help="pixels")
    parser.add_argument("--small-norm", type=natural_number, metavar="PERCENT", help="of the pixels, the smallest, "
                        "set to zero")
    parser.add_argument("--small-contribution", type=natural_number, metavar="PERCENT", help="of the pixels, those "
                        "that matter least, set to zero")
    parser.add_argument("--max-jitter", type=natural_int, help="pixels, at 224 pixels")
    parser.add_argument("--clamp", help="to the colours that exist: first (before the blur), last, or none")
    parser.add_argument("--inputs", help="whose inputs the numbers are meant for: torchvision or caffe")


def amplified(model, caption, image):
    """(caption, picture) of an image x (1, C, H, W); a faint one with more contrast, and the caption says so."""
    preprocessing = model.preprocessing
    change = preprocessing.to_pixel_directions(image)[0].transpose(1, 2, 0) / preprocessing.unit  # (H, W, 3)
    picture, factor = plot.amplify(preprocessing.to_image(image), change)
    return f"{caption} (contrast x {factor:.0f})" if factor > 1 else caption, picture
