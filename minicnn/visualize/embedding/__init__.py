"""Pictures as points: features, nearest neighbours, PCA, t-SNE, maps of thumbnails."""
