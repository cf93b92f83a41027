"""The pictures of the field, as functions from arrays to arrays; minicnn.plot draws them."""

from minicnn.visualize.activations import feature_maps
from minicnn.visualize.ascent import (
    channel_visualization,
    class_visualization,
    layer_visualization,
    neuron_visualization,
)
from minicnn.visualize.attribution import completeness_gap, gradient_times_input, integrated_gradients, smooth_grad
from minicnn.visualize.clusters import kmeans
from minicnn.visualize.compare import attribution_maps, deletion_insertion, exchange_curve, rank_correlations
from minicnn.visualize.deepdream import deep_dream, dream_zoom
from minicnn.visualize.denoise import denoise_tv
from minicnn.visualize.efros_leung import efros_leung, efros_leung_fill
from minicnn.visualize.fast_style import stylize
from minicnn.visualize.features import image_features
from minicnn.visualize.filters import filter_grid, filter_weights
from minicnn.visualize.fooling import Fooled, fooling_image, fooling_report
from minicnn.visualize.generator import generated_class, stacked
from minicnn.visualize.grad_cam import grad_cam, guided_grad_cam, upsample_maps
from minicnn.visualize.grid_map import assign_to_grid, grid_sheet, thumbnail_map
from minicnn.visualize.inversion import Inverted, feature_error, inversion_report, invert_features
from minicnn.visualize.many_styles import blend_square, with_more_styles, with_style
from minicnn.visualize.multifaceted import facet_visualization, find_facets
from minicnn.visualize.neighbours import nearest, nearest_others, precision_at, squared_distances
from minicnn.visualize.occlusion import class_probability, occlusion_map, spread_occlusion
from minicnn.visualize.patches import TopPatches, crop_patch, guided_patch, strongest_channels, top_patches
from minicnn.visualize.pca import pca
from minicnn.visualize.perceptual import PerceptualLoss, PhotoCrops, StyledCrops, StyledLoss, perceptual_loss
from minicnn.visualize.randomise import cascade_similarity
from minicnn.visualize.receptive_field import receptive_field
from minicnn.visualize.saliency import deconvnet, guided_backprop, neuron_gradient, pointing_game, saliency_map
from minicnn.visualize.segment import saliency_segment
from minicnn.visualize.style import StyleSettings, transfer_style
from minicnn.visualize.sweep import resume, start_worker, sweep
from minicnn.visualize.texture import synthesize_texture
from minicnn.visualize.texture_pixels import Texture
from minicnn.visualize.tiles import tiled_loss_and_gradient
from minicnn.visualize.tsne import tsne
from minicnn.visualize.wei_levoy import wei_levoy

__all__ = ["Fooled", "Inverted", "PerceptualLoss", "PhotoCrops", "StyleSettings", "StyledCrops", "StyledLoss",
           "Texture", "TopPatches", "assign_to_grid", "attribution_maps", "blend_square", "cascade_similarity",
           "channel_visualization", "class_probability", "class_visualization", "completeness_gap", "crop_patch",
           "deconvnet", "deep_dream", "deletion_insertion", "denoise_tv", "dream_zoom", "efros_leung",
           "efros_leung_fill", "exchange_curve", "facet_visualization", "feature_error", "feature_maps", "filter_grid",
           "filter_weights", "find_facets", "fooling_image", "fooling_report", "generated_class", "grad_cam",
           "gradient_times_input", "grid_sheet", "guided_backprop", "guided_grad_cam", "guided_patch",
           "image_features", "integrated_gradients", "inversion_report", "invert_features", "kmeans",
           "layer_visualization", "nearest", "nearest_others", "neuron_gradient", "neuron_visualization",
           "occlusion_map", "pca", "perceptual_loss", "pointing_game", "precision_at", "rank_correlations",
           "receptive_field", "resume", "saliency_map", "saliency_segment", "smooth_grad", "spread_occlusion",
           "squared_distances", "stacked", "start_worker", "strongest_channels", "stylize", "sweep",
           "synthesize_texture", "thumbnail_map", "tiled_loss_and_gradient", "top_patches", "transfer_style", "tsne",
           "upsample_maps", "wei_levoy", "with_more_styles", "with_style"]
