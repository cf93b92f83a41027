"""Pictures to train and to test with: MNIST digits, drawn shapes with their concepts, scenes, styles and textures."""

from minicnn.datasets.concepts import CONCEPTS, Concept, draw_concepts
from minicnn.datasets.drawings import draw_scene, draw_style
from minicnn.datasets.mnist import load_digits, read_idx
from minicnn.datasets.shapes import ShapeBatches, draw_shape, draw_shapes
from minicnn.datasets.textures import draw_checks, draw_texture

__all__ = ["CONCEPTS", "Concept", "ShapeBatches", "draw_checks", "draw_concepts", "draw_scene", "draw_shape",
           "draw_shapes", "draw_style", "draw_texture", "load_digits", "read_idx"]
