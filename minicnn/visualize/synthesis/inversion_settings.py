"""The settings of feature inversion, and the published settings as presets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from minicnn.arguments import (
    count_of,
    describe,
    require_choice,
    require_fields,
    require_flag,
    require_number,
    require_whole,
)
from minicnn.errors import InputError
from minicnn.optimize import LBFGS, Adam, GuardedMomentum, Momentum

UPDATES: dict[str, Callable[[float], Any]] = {
    "momentum": Momentum, "guarded": GuardedMomentum, "adam": Adam,
    "lbfgs": lambda learning_rate: LBFGS()}  # it finds the length of its steps itself
NOISES = ("normal", "uniform")
PARAMETRIZATIONS = ("pixels", "fourier")


@dataclass(frozen=True)
class InversionSettings:
    """The settings of `invert_features`.

    z is the image in the unit of the settings: 1 is one grey level of 255 if `normalized`, else torchvision's unit,
    57.6 grey levels. 0 is the mean colour. The network's input is converted.
    Raises InputError if a name is unknown.
    """

    normalized: bool = True        # divide the terms by the norms of the features and of a photo, as the paper does
    feature_weight: float = 1.0    # weight of |phi(z) - phi0|²
    tv_weight: float | tuple[float, float, float] = (1.0, 10.0, 20.0)  # weight of total variation, or one for early,
    #                                middle and late layers, see `tv_weight_by_depth`
    tv_beta: float = 2.0           # exponent of total variation: 2 smooths, 1 keeps edges
    p_weight: float = 8e-10        # weight of the sum of |z|^p, which keeps the image near the mean colour
    p: float = 6.0                 # exponent of that sum
    update: str = "guarded"        # "momentum", "guarded" (momentum that takes back steps uphill), "adam" or "lbfgs"
    rates: tuple[tuple[int, float], ...] = ((100, 4e-3), (200, 4e-4), (100, 4e-5))  # (steps, learning rate) of each
    #                                stage; the update restarts at each stage; "lbfgs" ignores the learning rates
    noise: str = "normal"          # first image: "normal" noise with the norm of a photo, or "uniform" z in 0 to 1
    clamp: float = 0.0             # z stays within -clamp to clamp; 0: no bounds
    clamp_until: int = 0           # last step that clamps
    parametrization: str = "pixels"  # numbers that change: "pixels", or "fourier", see optimize.FourierSpectrum, with
    #                                "adam", whose learning rates are those of the spectrum; the first image is grey

    def __post_init__(self) -> None:
        for kind, name, names in (("update", self.update, UPDATES), ("noise", self.noise, NOISES),
                                  ("parametrization", self.parametrization, PARAMETRIZATIONS)):
            require_choice(kind, name, list(names))
        if self.parametrization == "fourier":
            self._require_spectrum()
        require_fields(self, feature_weight=0, tv_beta=0, p_weight=0, p=0, clamp=0, clamp_until=0)
        require_flag("normalized", self.normalized)
        weights = self.tv_weight if count_of(self.tv_weight) == 3 else (self.tv_weight,)
        for weight in weights:  # type: ignore[union-attr]  # one or three
            require_number("tv_weight", weight, 0)
        if not count_of(self.rates) or any(count_of(stage) != 2 for stage in self.rates):
            raise InputError(f"rates is {describe(self.rates)}; expected pairs (steps, learning rate), at least one")
        for steps, rate in self.rates:
            require_whole("the steps of a stage", steps, 1)
            require_number("the learning rate of a stage", rate, 0)

    def _require_spectrum(self) -> None:
        """Raise InputError if a setting is for pixels only."""
        if self.update != "adam":
            raise InputError(f"the parametrization 'fourier' needs the update 'adam'; got {self.update!r}")
        if self.clamp:
            raise InputError(f"clamp is {self.clamp}, and the colours of the parametrization 'fourier' are valid "
                             "without it; give 0, or the parametrization 'pixels'")
        if self.noise != "normal":
            raise InputError(f"the first spectrum of the parametrization 'fourier' is normal noise, not {self.noise!r}")

    @property
    def num_steps(self) -> int:
        """The number of steps of all stages."""
        return sum(steps for steps, _ in self.rates)


# Mahendran and Vedaldi 2015 (arXiv:1412.0035): experiment_cnn.m and invert_nn.m of deep-goggle, the code of the paper,
# for AlexNet. Its update is plain momentum, which diverges for some photos at SqueezeNet's fire9; ours is guarded.
MAHENDRAN = InversionSettings(tv_weight=(1.0, 10.0, 100.0))

# Stanford CS231n, assignment 3: style transfer without style, which inverts the layer fire2.
CS231N = InversionSettings(normalized=False, feature_weight=6e-2, tv_weight=2e-2, p_weight=0.0, update="adam",
                           rates=((180, 3.0), (20, 0.1)), noise="uniform", clamp=1.5, clamp_until=189)

# Ours: the paper's settings with less smoothing of late layers.
TUNED = replace(MAHENDRAN, tv_weight=(1.0, 10.0, 20.0))

# Ours: the waves and the decorrelated colours of Olah et al. 2017, "Feature Visualization", with Adam. A kitten's error
# and PSNR, by TUNED and by FOURIER: at SqueezeNet's fire3 3.4 % and 14.3 dB, 0.2 % and 24.0 dB; at fire5 4.5 % and 12.5
# dB, 0.8 % and 19.4 dB; at fire9 4.5 % and 10.8 dB, 1.1 % and 14.2 dB.
FOURIER = InversionSettings(tv_weight=0.1, p_weight=0.0, update="adam", rates=((300, 0.05), (100, 0.01)),
                            parametrization="fourier")

# Ours, for networks of drawings: smoother at deep layers, and nearer to the mean colour, as drawings have large grey
# areas. Mean PSNR of three drawings at the layers relu1, relu2 and relu3 of `shapes`: by TUNED 21.2, 15.6 and 12.9 dB,
# by these settings 21.4, 19.0 and 14.5 dB. Of six drawings at relu5: by TUNED 12.1 dB with a feature error of 16 %, by
# these settings 12.3 dB with 0.8 %.
DRAWINGS = replace(FOURIER, tv_weight=(0.1, 1.0, 1.0), p_weight=8e-9)

INVERSION_PRESETS = {"fourier": FOURIER, "drawings": DRAWINGS, "mahendran": MAHENDRAN, "cs231n": CS231N, "tuned": TUNED}
