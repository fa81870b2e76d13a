"""The method: numbers and torch. Nothing here sees a config, a file or a screen."""
