"""The coarse-to-fine sweep."""
