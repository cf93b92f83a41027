"""Which pixels a score depends on: gradients, Grad-CAM, occlusion, and their comparison."""
