"""All that is written down or shown: files, figures, the screen."""
