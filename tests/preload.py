"""What the server imports that `tests.processes` forks from, so that no process of its own has to.

Torch imports its compiler, and that sympy, at the first step of an optimizer: two seconds, whatever the run.
"""

import gc
import importlib
import pkgutil

import PIL.Image
from hydra import compose, initialize_config_module

MODULES = ("torch.func", "torch._dynamo", "matplotlib.figure", "matplotlib.backends.backend_agg")
ROOMS = (
    "cli",
    "config",
    "tasks.data",
    "plotting",
    "report",
    "range_test",
    "refine",
    "verify",
    "compare",
    "schedule",
)

for name in MODULES:
    importlib.import_module(name)
for room in ROOMS:
    package = importlib.import_module(f"lrfind.{room}")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
with initialize_config_module("lrfind.configs", version_base="1.3"):
    compose("range")
PIL.Image.preinit()
gc.freeze()  # else the collector of a child writes to, and so copies, what they share
