"""What is trained: models, data, loaders, and the one place that builds them from a config."""
