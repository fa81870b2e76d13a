"""How this process was launched, as the environment tells; it loads no torch."""

from __future__ import annotations

import os


def launched_ranks() -> tuple[int, int]:
    """This process's rank and the number of ranks, as torchrun set them; (0, 1) where it did not.

    The number of ranks alone is no sign: clusters set it for whatever they run.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
