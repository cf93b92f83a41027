"""Training: mini-batches, the training loop, checkpoints, augmentation, and decoders."""

from minicnn.training.augment import Distortion, distort
from minicnn.training.checkpoint import TrainingCheckpoint
from minicnn.training.decoder import CodeBatches, Likeness
from minicnn.training.train import CosineSchedule, MiniBatches, accuracy, train

__all__ = ["CodeBatches", "CosineSchedule", "Distortion", "Likeness", "MiniBatches", "TrainingCheckpoint",
           "accuracy", "distort", "train"]
