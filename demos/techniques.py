"""The list of techniques. The gallery, verify, `minicnn list` and the README's table are made from it."""

import re
from dataclasses import dataclass

# The parts of the lecture, CS231n's "Visualizing and Understanding", in its order.
PARTS = ("filters", "last layer", "activations", "importance", "gradients", "ascent", "fooling", "inversion", "dreams",
         "texture", "style")

# The conditions for the gallery to show a technique.
COLOUR = "colour"  # the network's input has three channels
SHAPES = "shapes"  # the demo uses the shipped `shapes`, whose classes can be drawn, and is shown beside class scores
SCORES = "scores"  # the network gives class scores
DECODERS = "decoders"  # the cache folder has VGG-19 with its decoders
MASKS = "masks"    # the network is the shipped `shapes`, whose drawings have exact masks
PHOTOS = "photos"  # the user has a folder of photos, so the gallery never shows it


@dataclass(frozen=True)
class Technique:
    """A technique: its name, its code, its paper, its command, and its place in the lecture.

    name : the technique's name in the field.
    part : the part of the lecture, one of PARTS.
    demo : the module in demos/ that makes its pictures.
    functions : its functions in minicnn.visualize.
    command : the command that shows it, after "minicnn ".
    paper : authors, year, arXiv number, and the figure or section that the demo repeats.
    needs : the condition for the gallery to show it: COLOUR, SHAPES, SCORES, DECODERS, MASKS or PHOTOS; "" for any
        network.
    """

    name: str
    part: str
    demo: str
    functions: tuple[str, ...]
    command: str
    paper: str
    needs: str = ""


TECHNIQUES = (
    Technique("first-layer filters", "filters", "filters", ("filter_grid", "filter_weights"),
              "filters [NETWORK …]", "Krizhevsky et al. 2012, figure 3"),
    Technique("filters of deeper layers", "filters", "filters", ("filter_grid",),
              "filters [NETWORK …] --layer NAME", "Karpathy, ConvNetJS"),

    Technique("nearest neighbours", "last layer", "neighbours", ("image_features", "nearest"),
              "neighbours [--photos FOLDER] [--workers N]", "Krizhevsky et al. 2012, figure 4"),
    Technique("principal components and t-SNE", "last layer", "embedding_map", ("pca", "tsne"),
              "embedding_map [--photos FOLDER | --mnist FOLDER]",
              "van der Maaten and Hinton 2008; Linderman et al. 2019, arXiv:1712.09005", COLOUR),
    Technique("map of thumbnails", "last layer", "zoom_page", ("assign_to_grid", "grid_sheet", "thumbnail_map"),
              "zoom_page [--photos FOLDER | --mnist FOLDER]",
              "Karpathy 2014, t-SNE visualization of CNN codes", COLOUR),

    Technique("activation maps", "activations", "activations", ("feature_maps",),
              "activations photo.jpg [--layer NAME]", "Yosinski et al. 2015, arXiv:1506.06579, figures 1 and 2"),
    Technique("maximally activating patches", "activations", "patches", ("top_patches", "crop_patch", "guided_patch"),
              "patches [--photos FOLDER] [--workers N | --cluster ADDRESS]",
              "Zeiler and Fergus 2014, arXiv:1311.2901; Springenberg et al. 2014, arXiv:1412.6806, figure 3"),
    Technique("network dissection", "activations", "dissection", ("dissect",),
              "dissection [--layer NAME]", "Bau et al. 2017, arXiv:1704.05796, figures 4 and 5", MASKS),

    Technique("occlusion", "importance", "occlusion", ("occlusion_map", "spread_occlusion"),
              "occlusion photo.jpg", "Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2", SCORES),
    Technique("saliency", "importance", "saliency", ("saliency_map",),
              "saliency photo.jpg", "Simonyan et al. 2013, arXiv:1312.6034, section 3", SCORES),

    Technique("four methods and the place they agree on", "gradients", "agreement", ("map_peaks",),
              "agreement photo.jpg", "Zhang et al. 2016, arXiv:1608.00507, the pointing game", SCORES),
    Technique("guided backprop", "gradients", "guided_backprop", ("guided_backprop",),
              "guided_backprop photo.jpg", "Springenberg et al. 2014, arXiv:1412.6806, figure 1"),
    Technique("deconvnet", "gradients", "guided_backprop", ("deconvnet",),
              "guided_backprop photo.jpg", "Zeiler and Fergus 2014, arXiv:1311.2901"),
    Technique("gradient x input, SmoothGrad, integrated gradients", "gradients", "attribution",
              ("gradient_times_input", "smooth_grad", "integrated_gradients"),
              "attribution photo.jpg", "arXiv:1605.01713; arXiv:1706.03825; arXiv:1703.01365",
              SCORES),
    Technique("Grad-CAM, guided Grad-CAM", "gradients", "attribution", ("grad_cam", "guided_grad_cam"),
              "attribution photo.jpg", "Selvaraju et al. 2016, arXiv:1610.02391", SCORES),
    Technique("relevance propagation: LRP-ε, LRP-γ, z⁺, composite", "gradients", "relevance",
              ("relevance_map", "RelevanceSettings"), "relevance photo.jpg",
              "Bach et al. 2015; Montavon et al. 2017, arXiv:1512.02479; Montavon et al. 2019", SCORES),
    Technique("DeepLIFT", "gradients", "relevance", ("deeplift",),
              "relevance photo.jpg [--baseline GREY|R,G,B]", "Shrikumar et al. 2017, arXiv:1704.02685", SCORES),
    Technique("Grad-CAM++, Layer-CAM, Score-CAM", "gradients", "class_maps",
              ("grad_cam_plus_plus", "layer_cam", "score_cam"), "class_maps photo.jpg [--layer NAME]",
              "arXiv:1710.11063; Jiang et al. 2021; arXiv:1910.01279", SCORES),
    Technique("RISE", "gradients", "class_maps", ("rise", "RiseSettings"), "class_maps photo.jpg [--masks N]",
              "Petsiuk et al. 2018, arXiv:1806.07421", SCORES),
    Technique("segmentation by saliency", "gradients", "attribution", ("saliency_segment",),
              "attribution photo.jpg", "Simonyan et al. 2013, arXiv:1312.6034, section 3.2", SCORES),
    Technique("comparison by deletion, insertion and rank", "gradients", "compare",
              ("attribution_maps", "deletion_insertion", "rank_correlations"),
              "compare photo.jpg|FOLDER", "Petsiuk et al. 2018, arXiv:1806.07421", SCORES),
    Technique("sanity check by randomised weights", "gradients", "compare", ("cascade_similarity",),
              "compare photo.jpg", "Adebayo et al. 2018, arXiv:1810.03292", SCORES),
    Technique("pointing game", "gradients", "compare", ("pointing_game",),
              "compare --model shapes", "Zhang et al. 2016, arXiv:1608.00507", SCORES),

    Technique("class visualization", "ascent", "class_visualization", ("class_visualization",),
              "class_visualization --class tarantula [--preset NAME]",
              "Simonyan et al. 2013, arXiv:1312.6034, section 2; Olah et al. 2017, Feature Visualization; presets of "
              "Stanford CS231n, and `margin`",
              SCORES),
    Technique("class visualization by six published presets", "ascent", "class_presets", ("class_visualization",),
              "class_visualization --compare --class flamingo",
              "Yosinski et al. 2015, arXiv:1506.06579, table 1, figure 3", SCORES),
    Technique("neuron, channel and layer visualization", "ascent", "neuron_visualization",
              ("neuron_visualization", "channel_visualization", "layer_visualization"),
              "neuron_visualization [FOLDER] --layer NAME [--grid]",
              "Erhan et al. 2009; Yosinski et al. 2015, arXiv:1506.06579, figure 4"),
    Technique("multifaceted visualization", "ascent", "multifaceted", ("find_facets", "facet_visualization", "kmeans"),
              "multifaceted [--photos FOLDER | --mnist FOLDER]",
              "Nguyen et al. 2016, arXiv:1602.03616, section 2.1", SHAPES),
    Technique("semantic grid: a photo as a layer sees it", "ascent", "semantic_grid",
              ("semantic_grid", "direction_visualization"), "semantic_grid PHOTO [--layer NAME]",
              "Olah et al. 2018, The Building Blocks of Interpretability, section What Does the Network See?", COLOUR),
    Technique("activation atlas", "ascent", "atlas", ("sample_vectors", "activation_atlas", "whitening"),
              "atlas [--photos FOLDER] [--layer NAME]", "Carter et al. 2019, Activation Atlas", COLOUR),
    Technique("generator prior", "ascent", "generator_prior", ("generated_class", "stacked"),
              "generator_prior [--decoder FILE --photos FOLDER]",
              "Nguyen et al. 2016, arXiv:1605.09304, section 3", SHAPES),

    Technique("fooling images", "fooling", "fooling", ("fooling_image",),
              "fooling photo.jpg --target stingray",
              "Szegedy et al. 2013, arXiv:1312.6199, section 4; Stanford CS231n", SCORES),
    Technique("attacks within a ball, success against its radius", "fooling", "pgd", ("pgd_attack", "epsilon_sweep"),
              "pgd [PHOTO …] [--norm l2] [--epsilon 2]", "Madry et al. 2018, arXiv:1706.06083, section 2.1, figure 6",
              SCORES),
    Technique("universal perturbation", "fooling", "universal", ("universal_perturbation", "fooled_pictures"),
              "universal [FOLDER] [--epsilon 10]", "Moosavi-Dezfooli et al. 2017, arXiv:1610.08401, figures 1 and 3",
              SHAPES),

    Technique("feature inversion", "inversion", "inversion", ("invert_features",),
              "inversion photo.jpg", "Mahendran and Vedaldi 2015, arXiv:1412.0035, section 3"),

    Technique("DeepDream: guided, zooming, by tiles", "dreams", "deepdream",
              ("deep_dream", "dream_zoom", "tiled_loss_and_gradient"),
              "deepdream photo.jpg [--guide PHOTO] [--zoom FRAMES] [--from-noise]",
              "Mordvintsev et al. 2015, Inceptionism "
              "(https://research.google/blog/inceptionism-going-deeper-into-neural-networks/)"),

    Technique("texture pixel by pixel, holes filled", "texture", "texture_pixels", ("efros_leung", "efros_leung_fill"),
              "texture_pixels sample.jpg", "Efros and Leung 1999, figure 2"),
    Technique("texture from noise, coarse to fine", "texture", "texture_pixels", ("wei_levoy",),
              "texture_pixels sample.jpg", "Wei and Levoy 2000, figure 7"),
    Technique("texture by Gram matrices", "texture", "texture_gram", ("synthesize_texture",),
              "texture_gram photo.jpg", "Gatys et al. 2015, arXiv:1505.07376, figure 2", COLOUR),

    Technique("style transfer", "style", "style_transfer", ("transfer_style",),
              "style_transfer CONTENT STYLE",
              "Gatys et al. 2015, arXiv:1508.06576, figure 3; presets of CS231n and neural-style", COLOUR),
    Technique("several styles, sizes, masks, original colours", "style", "style_transfer", ("StyleSettings",),
              "style_transfer --help", "Gatys et al. 2016, arXiv:1606.05897 and arXiv:1611.07865", COLOUR),
    Technique("fast style transfer, also by PyTorch's networks", "style", "fast_style", ("stylize",),
              "fast_style PHOTO|FOLDER [--model candy.h5]", "Johnson et al. 2016, arXiv:1603.08155", COLOUR),
    Technique("many styles in one network, and their blends", "style", "fast_style", ("with_style", "blend_square"),
              "fast_style PHOTO --style strokes=0.7,dots=0.3 [--styles]", "Dumoulin et al. 2016, arXiv:1610.07629",
              COLOUR),
    Technique("any style at once: WCT and AdaIN", "style", "any_style",
              ("any_style", "whiten_and_colour", "adaptive_instance_norm"),
              "any_style CONTENT STYLE [STYLE=WEIGHT …]",
              "Li et al. 2017, arXiv:1705.08086; Huang and Belongie 2017, arXiv:1703.06868", DECODERS),
    Technique("feature inversion by trained decoders", "style", "any_style", ("learnt_inversion",),
              "any_style PHOTO --inversion",
              "Li et al. 2017, arXiv:1705.08086, section 3.1; Dosovitskiy and Brox 2016, arXiv:1506.02753", DECODERS),
    Technique("training for new styles, or for one more", "style", "train_fast_style",
              ("perceptual_loss", "StyledLoss", "with_more_styles"),
              "train_fast_style FOLDER --style PICTURE … [--add-style NETWORK]",
              "Johnson et al. 2016, arXiv:1603.08155, section 3; Dumoulin et al. 2016, arXiv:1610.07629", PHOTOS),
)

# The other scripts in demos/: (purpose, command after "minicnn ").
TOOLS = (
    ("look into a network in the browser", "explore [PHOTO …] [--model NAME] [--photos FOLDER]"),
    ("print each layer and stop in the debugger", "step_through photo.jpg --layer conv1"),
    ("print every check of the gallery", "verify [--model NAME]"),
    ("write backward passes and visualizations yourself, and have them checked", "exercise list|NAME [--check]"),
    ("train the shipped network `digits`", "train_digits FOLDER_WITH_MNIST"),
    ("train the shipped network `photos`", "train_photos FOLDER_OF_CALTECH_101"),
    ("compare two trained networks, of plain and of adversarial training", "train_photos_figure PLAIN ADVERSARIAL"),
    ("train the shipped network `shapes`", "train_shapes"),
    ("train the shipped network `shapes_decoder`, or a decoder of another network's features",
     "train_decoder [--photos FOLDER --model NAME]"),
)


def demo_names() -> list[str]:
    """Return the names NAME of all commands minicnn NAME, each once."""
    commands = [technique.command for technique in TECHNIQUES] + [command for _, command in TOOLS]
    return list(dict.fromkeys(command.split()[0] for command in commands))


def list_of_demos() -> str:
    """Return the text of `minicnn list`: one line for each technique, in the parts of the lecture."""
    sections = {part: [(technique.name, technique.command) for technique in TECHNIQUES if technique.part == part]
                for part in PARTS} | {"tools": list(TOOLS)}
    width = max(len(name) for rows in sections.values() for name, _ in rows)
    lines = []
    for part, rows in sections.items():
        lines += [f"{part}:", *(f"  {name:<{width}}  minicnn {command}" for name, command in rows)]
    return "\n".join(lines)


def readme_table() -> str:
    """Return the README's table of techniques in Markdown. To print it: minicnn techniques"""
    rows = ["| part | technique | functions in `minicnn.visualize` | demo | paper |", "|---|---|---|---|---|"]
    shown = ""
    for technique in TECHNIQUES:
        part = technique.part if technique.part != shown else ""
        shown = technique.part
        functions = ", ".join(f"`{name}`" for name in technique.functions)
        command = technique.command.replace("|", r"\|")
        paper = link_arxiv(technique.paper, r"[arXiv:\1](https://arxiv.org/abs/\1)")
        rows.append(f"| {part} | {technique.name} | {functions} | `minicnn {command}` | {paper} |")
    return "\n".join(rows)


def link_arxiv(text: str, link: str) -> str:
    r"""Return the text with every "arXiv:NUMBER" replaced by `link`, in which \1 stands for the number."""
    return re.sub(r"arXiv:(\d+\.\d+)", link, text)


if __name__ == "__main__":
    print(readme_table())
