"""Training: mini-batches, the training loop, checkpoints, augmentation, and decoders."""

from minicnn.training.adversary import AdversarialBatches, Adversary, adversarial
from minicnn.training.augment import Distortion, distort
from minicnn.training.average import WeightAverage
from minicnn.training.checkpoint import TrainingCheckpoint
from minicnn.training.decoder import CodeBatches, Likeness
from minicnn.training.teacher import TaughtBatches, Teacher, cross_entropy_to, fit_teacher
from minicnn.training.train import CosineSchedule, MiniBatches, accuracy, smoothed_cross_entropy, train

__all__ = ["AdversarialBatches", "Adversary", "CodeBatches", "CosineSchedule", "Distortion", "Likeness",
           "MiniBatches", "TaughtBatches", "Teacher", "TrainingCheckpoint", "WeightAverage", "accuracy", "adversarial",
           "cross_entropy_to", "distort", "fit_teacher", "smoothed_cross_entropy", "train"]
