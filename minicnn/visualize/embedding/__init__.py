"""Images as points: features, nearest neighbours, PCA, t-SNE, clusters, and maps of thumbnails."""
