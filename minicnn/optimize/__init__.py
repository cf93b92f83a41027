"""The one loop behind every picture that is optimised: image <- image - step, again and again.

An update object holds the memory of one array (its momentum, say): its attributes can be read in the debugger,
saved and restored. First-order updates turn a gradient into a `delta` to subtract; LBFGS looks along a line first.
"""

from dataclasses import dataclass
from functools import partial

from minicnn.backend import get_array_module, get_ndimage
from minicnn.errors import InputError
from minicnn.losses import loss_and_gradient
from minicnn.optimize.progress import Progress

TINY = 1e-30  # what is divided by is at least so much
NOTHING_TO_CLIMB = ("the gradient is zero everywhere: nothing that is optimised depends on the image (dead ReLUs?); "
                    "start from another image or from a layer before the ReLU")


class DivergedError(InputError):
    """The optimisation left the numbers at `step`; `image` is the last finite one, `history` the steps up to it."""

    def __init__(self, message, step, image, history):
        super().__init__(message)
        self.step, self.image, self.history = step, image, history


# ---- updates ---------------------------------------------------------------------------------------------------------


class FirstOrder:
    """An update that needs the gradient alone. `gradient` is that of the last step, of which a projection may ask."""

    gradient = None
    not_kept = ("gradient",)  # by a checkpoint: each step has its own

    def step(self, x, evaluate):
        """One step from `x`; evaluate(x) -> (total, gradient, values). Returns (new x, total, values)."""
        total, self.gradient, values = evaluate(x)
        return self.moved(x), total, values

    def moved(self, x):
        """x after the step; its type is that of x and the gradient, also where a setting is NumPy's float64."""
        return (x - self.delta(self.gradient)).astype(
            get_array_module(x).result_type(x, self.gradient), copy=False)

    def delta(self, gradient):
        """What to subtract, of the gradient's shape."""
        raise NotImplementedError


class GradientDescent(FirstOrder):
    """delta = learning_rate * gradient."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def delta(self, gradient):
        return self.learning_rate * gradient


class Momentum(FirstOrder):
    """velocity = momentum * velocity + gradient; delta = learning_rate * velocity (Polyak 1964)."""

    def __init__(self, learning_rate, momentum=0.9):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocity = None

    def delta(self, gradient):
        self.velocity = gradient if self.velocity is None else self.momentum * self.velocity + gradient
        return self.learning_rate * self.velocity


class GuardedMomentum(Momentum):
    """Momentum that takes back what led uphill: where the loss, one that is never negative, is more than `tolerance`
    times its lowest so far, it goes on from there, at rest and with half the learning rate.

    A learning rate that was published for another network may be too long a step for this one; where it is not, this
    is Momentum. The "bold driver" of Battiti 1989, who forgives no rise at all: momentum needs some.
    """

    def __init__(self, learning_rate, momentum=0.9, tolerance=1.5):
        super().__init__(learning_rate, momentum)
        self.tolerance = tolerance
        self.lowest, self.values, self.best = None, (), []  # best : the array and the gradient where it was lowest

    def step(self, x, evaluate):
        total, self.gradient, values = evaluate(x)
        if self.lowest is None or total < self.lowest:
            self.lowest, self.values, self.best = total, tuple(values), [x, self.gradient]
        elif not total <= self.tolerance * self.lowest:  # or not a number
            total, values = self.lowest, list(self.values)
            (x, self.gradient), self.velocity, self.learning_rate = self.best, None, self.learning_rate / 2
        return self.moved(x), total, values


class NormalizedStep(FirstOrder):
    """delta = learning_rate * gradient / norm: steps of one length, as in CS231n; DeepDream divides by mean |g|.

    norm : "l2", the Euclidean norm of the whole gradient, or "mean_abs". per_image : whether each image of a batch
    takes a step of that length, whatever the others' gradients; one whose gradient is zero stays as it is.
    """

    def __init__(self, learning_rate, norm="l2", per_image=False):
        if norm not in ("l2", "mean_abs"):
            raise InputError(f"norm is 'l2' or 'mean_abs', not {norm!r}")
        self.learning_rate, self.norm, self.per_image = learning_rate, norm, per_image

    def delta(self, gradient):
        if self.per_image:
            return self._delta_of_each(gradient)
        size = float((gradient * gradient).sum()) ** 0.5 if self.norm == "l2" else float(abs(gradient).mean())
        if size == 0:
            raise InputError(NOTHING_TO_CLIMB)
        return gradient * (self.learning_rate / size)

    def _delta_of_each(self, gradient):
        xp, axes = get_array_module(gradient), tuple(range(1, gradient.ndim))
        if self.norm == "l2":
            size = xp.sqrt((gradient * gradient).sum(axis=axes, keepdims=True))
        else:
            size = abs(gradient).mean(axis=axes, keepdims=True)
        if not bool(size.any()):
            raise InputError(NOTHING_TO_CLIMB)
        return gradient * (self.learning_rate / xp.maximum(size, TINY))


class DesiredProgress(FirstOrder):
    """delta = rate * gradient, the rate at which each image's loss would fall by `progress`, if it were linear.

    Never more than `max_rate`. The learning rate policy "progress" of Yosinski et al. 2015 (arXiv:1506.06579), whose
    code has rate = min(max_rate, progress / |gradient|²).
    """

    def __init__(self, progress, max_rate):
        self.progress, self.max_rate = progress, max_rate

    def delta(self, gradient):
        xp = get_array_module(gradient)
        square = (gradient * gradient).sum(axis=tuple(range(1, gradient.ndim)), keepdims=True)
        return gradient * xp.minimum(self.progress / xp.maximum(square, TINY), self.max_rate)


class FadingStep(NormalizedStep):
    """A NormalizedStep whose learning rate goes in a line from `first`, at the first step, to `last` after `num_steps`.

    Nguyen et al. 2016 (arXiv:1605.09304), who end at almost nothing.
    """

    def __init__(self, first, last, num_steps, norm="l2"):
        super().__init__(first, norm)
        self.first, self.last, self.num_steps, self.count = first, last, num_steps, 0

    def delta(self, gradient):
        self.learning_rate = self.first + (self.last - self.first) * min(1.0, self.count / self.num_steps)
        self.count += 1
        return super().delta(gradient)


class Adam(FirstOrder):
    """Kingma and Ba 2014 (arXiv:1412.6980), algorithm 1."""

    def __init__(self, learning_rate, beta1=0.9, beta2=0.999, eps=1e-8):
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.count, self.mean, self.square = 0, None, None

    def delta(self, gradient):
        xp = get_array_module(gradient)
        if self.mean is None:
            self.mean, self.square = xp.zeros_like(gradient), xp.zeros_like(gradient)
        self.count += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1 - self.beta2) * gradient * gradient
        mean = self.mean / (1 - self.beta1**self.count)  # both averages start at 0 and are scaled up for it
        square = self.square / (1 - self.beta2**self.count)
        return self.learning_rate * mean / (xp.sqrt(square) + self.eps)


class RMSProp(FirstOrder):
    """Tieleman and Hinton 2012: delta = learning_rate * gradient / sqrt(running mean of gradient²)."""

    def __init__(self, learning_rate, decay=0.99, eps=1e-8):
        self.learning_rate, self.decay, self.eps = learning_rate, decay, eps
        self.square = None

    def delta(self, gradient):
        xp = get_array_module(gradient)
        if self.square is None:
            self.square = xp.zeros_like(gradient)
        self.square = self.decay * self.square + (1 - self.decay) * gradient * gradient
        return self.learning_rate * gradient / (xp.sqrt(self.square) + self.eps)


class LBFGS:
    """Limited-memory BFGS with a line search for the strong Wolfe conditions.

    Nocedal and Wright 2006, algorithms 7.4 (two loops), 3.5 and 3.6. One step takes one or more evaluations.
    memory : how many past steps describe the curvature. within : a Clamp that the array never leaves; what has arrived
    at a bound stays there as long as its gradient points outwards, and the search goes along the bent line (Bertsekas
    1982). To clamp after each step instead costs a second evaluation, and a step that the search did not choose.
    """

    not_kept = ("at", "known", "known_by", "within")  # by a checkpoint: found again by one evaluation

    def __init__(self, memory=20, max_evaluations=20, c1=1e-4, c2=0.9, within=None):
        self.memory, self.max_evaluations, self.c1, self.c2 = memory, max_evaluations, c1, c2
        self.within = within
        self.steps, self.changes = [], []  # differences of x, and of the gradient, of the last steps
        self.at, self.known = None, None   # where the last line search ended, and the evaluation there,
        self.known_by = None               # by this function: another one, of another jitter, must look anew

    def step(self, x, evaluate):
        """One step from `x`; evaluate(x) -> (total, gradient, values). Returns (new x, total, values)."""
        known = self.at is x and self.known_by is evaluate
        total, gradient, values = self.known if known else evaluate(x)
        free = self._free(x, gradient)
        downhill = gradient * free
        direction = self._direction(downhill) * free
        slope = dot(direction, gradient)
        if slope >= 0:  # no way down: forget the curvature and start again
            self.steps, self.changes = [], []
            direction, slope = -downhill, -dot(downhill, downhill)
        if slope == 0:
            return x, total, values
        first = 1.0 if self.steps else self._first_length(total, downhill, slope)
        length, after = self._line_search(x, direction, total, slope, first, evaluate)
        if after is None:  # no step along this line lowers the total
            self.steps, self.changes = [], []
            return x, total, values
        new = self._inside(x + length * direction)
        self._remember(new - x, after[1] - gradient)
        self.at, self.known, self.known_by = new, after, evaluate
        return new, total, values

    def _first_length(self, total, downhill, slope):
        """What to try along -downhill while nothing is known of the curvature: to move by 1 at most, all pixels
        together; but so far that a thousandth of the total would go, as in float32 less may be lost in rounding."""
        return max(min(1.0, 1 / float(abs(downhill).sum())), 1e-3 * abs(total) / -slope)

    def _inside(self, x):
        """x within the bounds."""
        return x if self.within is None else self.within(x, None)

    def _free(self, x, gradient):
        """False where x is at a bound and the step against the gradient would leave it; 1 without bounds."""
        if self.within is None:
            return 1
        return ~((x <= self.within.low) & (gradient > 0) | (x >= self.within.high) & (gradient < 0))

    def _direction(self, gradient):
        """-H gradient, H being the inverse Hessian that the remembered steps suggest."""
        q, alphas = gradient, []
        for s, y in zip(reversed(self.steps), reversed(self.changes), strict=True):
            alphas.append(dot(s, q) / dot(s, y))
            q = q - alphas[-1] * y
        if self.steps:
            q = q * (dot(self.steps[-1], self.changes[-1]) / dot(self.changes[-1], self.changes[-1]))
        for s, y, alpha in zip(self.steps, self.changes, reversed(alphas), strict=True):
            q = q + (alpha - dot(y, q) / dot(s, y)) * s
        return -q

    def _remember(self, s, y):
        if dot(s, y) > 1e-10 * dot(y, y):  # only a positive curvature keeps H positive definite
            self.steps = [*self.steps, s][-self.memory:]
            self.changes = [*self.changes, y][-self.memory:]

    def _line_search(self, x, direction, total, slope, length, evaluate):
        """(length, evaluation there) that meets the strong Wolfe conditions, or the best seen that goes down.

        `low` is the best length so far, `high` the other end of the bracket around the minimum, once there is one.
        """
        low = (0.0, total, slope, None)
        high = None
        for _ in range(self.max_evaluations):
            there = x + length * direction
            after = evaluate(self._inside(there))
            moving = direction if self.within is None else direction * (self._inside(there) == there)
            here = (length, after[0], dot(moving, after[1]), after)
            if not (here[1] <= total + self.c1 * length * slope) or here[1] >= low[1]:
                high = here  # too far: not low enough (or not a number)
            elif abs(here[2]) <= -self.c2 * slope:
                return length, after
            else:
                if here[2] * ((high[0] if high else float("inf")) - low[0]) >= 0:
                    high = low  # past the minimum, which lies between here and low
                low = here
            length = low[0] * 2 if high is None else between(low, high)
        return low[0], low[3]


def between(low, high):
    """The minimum of the cubic through two (length, value, slope, …), kept off the ends; the middle if there is none.

    Nocedal and Wright 2006, equation 3.59.
    """
    a, fa, ga = low[:3]
    b, fb, gb = high[:3]
    middle, margin = (a + b) / 2, 0.1 * abs(b - a)
    d1 = ga + gb - 3 * (fa - fb) / (a - b)
    inside = d1 * d1 - ga * gb
    if not inside >= 0:
        return middle
    d2 = inside**0.5 * (1 if b > a else -1)
    if gb - ga + 2 * d2 == 0:
        return middle
    best = b - (b - a) * (gb + d2 - d1) / (gb - ga + 2 * d2)
    return best if min(a, b) + margin <= best <= max(a, b) - margin else middle


def dot(a, b):
    """The sum of products of all elements, a Python float."""
    return float((a * b).sum())


# ---- what happens to the image around a step -------------------------------------------------------------------------


@dataclass(frozen=True)
class Jitter:
    """Shows the network the image rolled by up to `pixels` either way (Mordvintsev et al. 2015)."""

    pixels: int

    def draw(self, rng):
        """A shift (y, x) from the numpy.random.Generator `rng`."""
        return tuple(rng.integers(-self.pixels, self.pixels + 1, 2).tolist())

    def apply(self, image, shift):
        """The rolled image, of shape (N, C, H, W)."""
        return get_array_module(image).roll(image, shift, axis=(2, 3))

    def undo(self, gradient, shift):
        """The gradient to the rolled image -> the gradient to the image itself: rolled back."""
        return get_array_module(gradient).roll(gradient, (-shift[0], -shift[1]), axis=(2, 3))


@dataclass(frozen=True)
class Clamp:
    """Keeps the image between `low` and `high`: numbers, or arrays of shape (C, 1, 1) on the image's device."""

    low: object
    high: object

    def __call__(self, image, step):
        return get_array_module(image).clip(image, self.low, self.high)


@dataclass(frozen=True)
class Blur:
    """Blurs the image with a Gaussian of `sigma` pixels at every `every`-th step."""

    sigma: float
    every: int = 1

    def __call__(self, image, step):
        if step % self.every:
            return image
        return get_ndimage(image).gaussian_filter(image, (0, 0, self.sigma, self.sigma))


@dataclass(frozen=True)
class Decay:
    """Shrinks the image towards 0, the mean colour, by a share of it: the L2 decay of Yosinski et al. 2015."""

    share: float

    def __call__(self, image, step):
        return image * (1 - self.share)


@dataclass(frozen=True)
class SmallNorm:
    """Sets `percent` of each image's pixels to 0: those with the smallest norm over the channels.

    Yosinski et al. 2015 (arXiv:1506.06579), section 4: the pixels that the picture can do without.
    """

    percent: float

    def __call__(self, image, step):
        return image * above_percentile((image * image).sum(axis=1, keepdims=True), self.percent)


@dataclass(frozen=True)
class SmallContribution:
    """Sets `percent` of each image's pixels to 0: those that the loss would miss least, were it linear.

    The contribution of a pixel is |sum over channels of image * gradient|, with the gradient of the last step of
    `update`, a first-order one. Yosinski et al. 2015 (arXiv:1506.06579), section 4.
    """

    percent: float
    update: FirstOrder

    def __call__(self, image, step):
        contribution = abs((image * self.update.gradient).sum(axis=1, keepdims=True))
        return image * above_percentile(contribution, self.percent)


def above_percentile(values, percent):
    """Where `values` (N, 1, H, W) are not below the percentile of their image: a mask of that shape."""
    xp = get_array_module(values)
    return values >= xp.percentile(values, percent, axis=(2, 3), keepdims=True).astype(values.dtype)


# ---- the loop --------------------------------------------------------------------------------------------------------


def optimize_image(net, image, terms, *, update, num_steps, schedule=None, transforms=(), project=(), callback=None,
                   rng=None, checkpoint=None, compute=loss_and_gradient):
    """Minimise the sum of weight * loss over `terms` by changing the image. Returns (image, history).

    image : (N, C, H, W) on the network's device. terms : [(weight, loss), …]; gradient ascent is a negative weight.
    schedule : a function step, from 0 -> the learning rate of the update, as of `train`; left out, it stays.
    transforms : what the network is shown instead of the image, drawn anew at each step from `rng`, a
    numpy.random.Generator; their gradient is undone, so the update always sees the image as it is.
    project : functions (image, step) -> image called after each step, in turn: clamp, blur.
    callback : called with (Progress, image) after each step; a true answer ends the loop. history : [Progress, …].
    checkpoint : a Checkpoint, from which the run goes on where it holds an earlier part of it, and which is written.
    compute : (net, image, terms) -> (total, gradient, values); another way than through the whole image at once.
    Raises DivergedError where a value is not finite, InputError where the gradient is zero everywhere.
    """
    history = []
    if checkpoint is not None:
        image, history = checkpoint.restore(image, update, rng)
        if checkpoint.stopped:
            return image, history
    evaluate = partial(transformed_loss, net, terms, (), compute=compute)
    for step in range(len(history) + 1, num_steps + 1):
        if transforms:
            drawn = [(transform, transform.draw(rng)) for transform in transforms]
            evaluate = partial(transformed_loss, net, terms, drawn, compute=compute)
        if schedule is not None:
            update.learning_rate = schedule(step - 1)
        before = image
        image, total, values = update.step(image, evaluate)
        dtype = image.dtype
        for constrain in project:
            image = constrain(image, step)
        image = image.astype(dtype, copy=False)  # settings that are NumPy's float64 do not make it float64
        if not is_finite(total) or not is_finite(float(image.sum())):
            what = "the image has values that are not finite" if is_finite(total) else f"the loss is {total}"
            raise DivergedError(f"{what} at step {step}: the optimisation diverged; lower the learning rate",
                                step, before, history)
        history.append(Progress(step, total, values))
        stop = callback is not None and callback(history[-1], image)
        if checkpoint is not None and (step % checkpoint.every == 0 or step == num_steps or stop):
            checkpoint.save(image, update, rng, history, stopped=stop)
        if stop:
            break
    return image, history


def is_finite(number):
    """Whether a Python float is neither infinite nor not a number."""
    return number - number == 0


def transformed_loss(net, terms, drawn, image, compute=loss_and_gradient):
    """`compute` of the image as the network is shown it; drawn : [(transform, its shift), …].

    Raises InputError, saying why, where the gradient is zero everywhere but at a minimum of what can have one.
    """
    shown = image
    for transform, shift in drawn:
        shown = transform.apply(shown, shift)
    total, gradient, values = compute(net, shown, terms)
    if not bool(gradient.any()) and (total != 0 or any(weight < 0 for weight, _ in terms)):
        raise InputError(f"the gradient is zero everywhere: {why_zero(net, terms, shown)}; start from another image or "
                         "from a layer before the ReLU")
    for transform, shift in reversed(drawn):
        gradient = transform.undo(gradient, shift)
    return total, gradient, values


def why_zero(net, terms, image):
    """Which ReLU is dead on the way from the image to what is optimised, in words."""
    layers = [loss.layer for _, loss in terms if loss.layer != "input"] or [net.output]
    activations = net.forward(image, upto=layers).activations
    for name, out in activations.items():
        if name != "input" and not bool(out.any()):
            return f"every value of {name!r} is 0 for this image (its ReLU is dead)"
    return f"every way from {layers[0]!r} to the image passes a ReLU that is 0 for this image"
