"""Training: mini-batches, the training loop, checkpoints, augmentation, and decoders."""

from minicnn.training.adversary import AdversarialBatches, Adversary, adversarial
from minicnn.training.augment import Distortion, distort
from minicnn.training.average import WeightAverage
from minicnn.training.checkpoint import TrainingCheckpoint
from minicnn.training.decoder import CodeBatches, Likeness
from minicnn.training.train import CosineSchedule, MiniBatches, accuracy, smoothed_cross_entropy, train

__all__ = ["AdversarialBatches", "Adversary", "CodeBatches", "CosineSchedule", "Distortion", "Likeness",
           "MiniBatches", "TrainingCheckpoint", "WeightAverage", "accuracy", "adversarial", "distort",
           "smoothed_cross_entropy", "train"]
