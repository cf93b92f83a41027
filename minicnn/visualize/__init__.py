"""The pictures of the field, as functions from arrays to arrays; minicnn.plot draws them."""

from minicnn.visualize.activations import feature_maps
from minicnn.visualize.ascent import class_visualization
from minicnn.visualize.filters import filter_grid, filter_weights
from minicnn.visualize.receptive_field import receptive_field
from minicnn.visualize.saliency import deconvnet, guided_backprop, neuron_gradient, saliency_map

__all__ = ["class_visualization", "deconvnet", "feature_maps", "filter_grid", "filter_weights", "guided_backprop",
           "neuron_gradient", "receptive_field", "saliency_map"]
