"""Attribution: the pixels that a score depends on, by gradients, Grad-CAM and occlusion; and tests of these methods."""
