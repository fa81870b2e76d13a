"""The YAML that a user composes; a package, so that it travels in the wheel."""
