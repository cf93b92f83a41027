"""The visualization techniques, as functions from arrays to arrays. minicnn.plot draws their results."""

from minicnn.receptive_field import receptive_field
from minicnn.sweep import resume, start_worker, sweep
from minicnn.visualize.attribution.cams import grad_cam_plus_plus, layer_cam, score_cam
from minicnn.visualize.attribution.compare import attribution_maps, rank_correlations
from minicnn.visualize.attribution.deeplift import deeplift
from minicnn.visualize.attribution.deletion import deletion_insertion, exchange_curve
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, upsample_maps
from minicnn.visualize.attribution.gradients import (
    completeness_gap,
    gradient_times_input,
    integrated_gradients,
    smooth_grad,
)
from minicnn.visualize.attribution.guided_backprop import deconvnet, guided_backprop, neuron_gradient
from minicnn.visualize.attribution.occlusion import (
    class_probability,
    occlusion_map,
    occlusion_rows,
    spread_occlusion,
)
from minicnn.visualize.attribution.peaks import map_peaks
from minicnn.visualize.attribution.pointing_game import pointing_game
from minicnn.visualize.attribution.randomise import cascade_similarity
from minicnn.visualize.attribution.relevance import RELEVANCE_PRESETS, RelevanceSettings, relevance_map
from minicnn.visualize.attribution.rise import RiseSettings, rise
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.attribution.segment import saliency_segment
from minicnn.visualize.embedding.clusters import kmeans
from minicnn.visualize.embedding.features import image_features
from minicnn.visualize.embedding.grid_assignment import assign_to_grid
from minicnn.visualize.embedding.grid_map import grid_sheet, thumbnail_map
from minicnn.visualize.embedding.neighbours import nearest, nearest_others, precision_at, squared_distances
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import TsneSettings, tsne
from minicnn.visualize.style.any_style import ANY_STYLE_PRESETS, AnyStyleSettings, any_style, learnt_inversion
from minicnn.visualize.style.crops import PhotoCrops, StyledCrops
from minicnn.visualize.style.fast_style import stylize
from minicnn.visualize.style.feature_transforms import adaptive_instance_norm, whiten_and_colour
from minicnn.visualize.style.many_styles import blend_square, with_more_styles, with_style
from minicnn.visualize.style.perceptual import PerceptualLoss, StyledLoss, perceptual_loss
from minicnn.visualize.style.settings import StyleSettings
from minicnn.visualize.style.transfer import transfer_style
from minicnn.visualize.synthesis.activation_vectors import ActivationVectors, sample_vectors
from minicnn.visualize.synthesis.ascent_settings import CLASS_PRESETS, NEURON_PRESETS, AscentSettings
from minicnn.visualize.synthesis.atlas import Atlas, AtlasCells, AtlasSettings, activation_atlas
from minicnn.visualize.synthesis.class_visualization import class_visualization
from minicnn.visualize.synthesis.deepdream import DreamSettings, deep_dream, dream_zoom
from minicnn.visualize.synthesis.denoise import denoise_tv
from minicnn.visualize.synthesis.directions import DirectionSettings, direction_visualization, whitening
from minicnn.visualize.synthesis.epsilon_sweep import EpsilonSweep, epsilon_sweep
from minicnn.visualize.synthesis.facets import find_facets
from minicnn.visualize.synthesis.fooling import Fooled, FoolingSettings, fooling_image, fooling_report
from minicnn.visualize.synthesis.generator import GeneratorSettings, generated_class, stacked
from minicnn.visualize.synthesis.inversion import Inverted, feature_error, inversion_report, invert_features
from minicnn.visualize.synthesis.inversion_settings import InversionSettings
from minicnn.visualize.synthesis.multifaceted import facet_visualization
from minicnn.visualize.synthesis.neuron_visualization import (
    channel_visualization,
    layer_visualization,
    neuron_visualization,
)
from minicnn.visualize.synthesis.pgd import Attacked, PGDSettings, pgd_attack
from minicnn.visualize.synthesis.semantic_grid import SemanticGrid, semantic_grid
from minicnn.visualize.synthesis.tiles import tiled_loss_and_gradient
from minicnn.visualize.synthesis.universal import (
    UniversalSettings,
    add_perturbation,
    fooled_pictures,
    universal_perturbation,
)
from minicnn.visualize.texture.efros_leung import efros_leung, efros_leung_fill
from minicnn.visualize.texture.gram import TextureSettings, synthesize_texture
from minicnn.visualize.texture.wei_levoy import wei_levoy
from minicnn.visualize.texture.windows import Texture
from minicnn.visualize.units.activations import feature_maps
from minicnn.visualize.units.dissection import Dissection, DissectionSettings, dissect
from minicnn.visualize.units.filters import filter_grid, filter_weights
from minicnn.visualize.units.patch_pictures import crop_patch, guided_patch
from minicnn.visualize.units.patches import TopPatches, strongest_channels, top_patches, top_patches_by_layer
from minicnn.visualize.units.terms import ProductTerms, product_terms, summing_unit

__all__ = ["ActivationVectors", "Atlas", "AtlasCells", "AtlasSettings", "DirectionSettings", "SemanticGrid",
           "activation_atlas", "direction_visualization", "sample_vectors", "semantic_grid", "whitening",
           "ANY_STYLE_PRESETS", "AnyStyleSettings", "AscentSettings", "Attacked", "CLASS_PRESETS", "Dissection",
           "DissectionSettings", "DreamSettings", "EpsilonSweep", "Fooled", "FoolingSettings", "GeneratorSettings",
           "InversionSettings", "Inverted", "NEURON_PRESETS", "PGDSettings", "PerceptualLoss", "PhotoCrops",
           "ProductTerms",
           "RELEVANCE_PRESETS", "RelevanceSettings", "RiseSettings", "StyleSettings", "StyledCrops", "StyledLoss",
           "Texture", "TextureSettings", "TopPatches", "TsneSettings", "UniversalSettings", "adaptive_instance_norm",
           "add_perturbation", "any_style", "assign_to_grid", "attribution_maps", "blend_square", "cascade_similarity",
           "channel_visualization", "class_probability", "class_visualization", "completeness_gap", "crop_patch",
           "deconvnet", "deep_dream", "deeplift", "deletion_insertion", "denoise_tv", "dissect", "dream_zoom",
           "efros_leung", "efros_leung_fill", "epsilon_sweep", "exchange_curve", "facet_visualization", "feature_error",
           "feature_maps", "filter_grid", "filter_weights", "find_facets", "fooled_pictures", "fooling_image",
           "fooling_report", "generated_class", "grad_cam", "grad_cam_plus_plus", "gradient_times_input", "grid_sheet",
           "guided_backprop", "guided_grad_cam", "guided_patch", "image_features", "integrated_gradients",
           "inversion_report", "invert_features", "kmeans", "layer_cam", "layer_visualization", "learnt_inversion",
           "map_peaks", "nearest", "nearest_others", "neuron_gradient", "neuron_visualization", "occlusion_map",
           "occlusion_rows", "pca",
           "perceptual_loss", "pgd_attack", "pointing_game", "precision_at",
           "product_terms", "rank_correlations", "receptive_field",
           "relevance_map", "resume", "rise", "saliency_map", "saliency_segment", "score_cam", "smooth_grad",
           "spread_occlusion", "squared_distances", "stacked", "start_worker", "strongest_channels", "stylize",
           "summing_unit", "sweep",
           "synthesize_texture", "thumbnail_map", "tiled_loss_and_gradient", "top_patches",
           "top_patches_by_layer", "transfer_style", "tsne",
           "universal_perturbation", "upsample_maps", "wei_levoy", "whiten_and_colour", "with_more_styles",
           "with_style"]
