"""The kernel: how anything is trained, once. It knows no config, no file and no screen."""
