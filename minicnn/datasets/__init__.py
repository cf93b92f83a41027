"""Pictures to train on and to test with: MNIST digits, drawn shapes, drawn scenes and textures."""
