"""The objective number of the segmentation by saliency."""

import numpy as np

from minicnn.backend import Array
from minicnn.visualize.attribution.segment import intersection_over_union, saliency_segment
from minicnn.visualize.check import Check


def check_segmentation(images: Array, saliency: Array, masks: Array) -> list[Check]:
    """Return the Check that the segmentation is better than a threshold on the saliency.

    The threshold is the quantile of the saliency that is best for these pictures.
    images : uint8 (N, H, W, 3). saliency : (N, H, W). masks : the true masks, bool (N, H, W).
    """
    found = np.stack([saliency_segment(image, values) for image, values in zip(images, saliency, strict=True)])
    overlap = float(intersection_over_union(found, masks).mean())
    thresholds = np.quantile(saliency, np.linspace(0.5, 0.99, 50), axis=(1, 2))[..., None, None]
    alone = max(float(intersection_over_union(saliency > values, masks).mean()) for values in thresholds)
    return [Check(f"segmentation: mean intersection over union with the true masks of {len(masks)} pictures", overlap,
                  f"more than {alone:.3f} + 0.1: a threshold on the saliency, at its best quantile",
                  overlap > alone + 0.1)]
