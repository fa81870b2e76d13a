"""What every folder of tests shares."""

import os
from pathlib import Path

# The networks of the tests are too small for threads to pay, and threads that wait for each other on a busy
# machine make a test take ten times as long. Child processes take it over.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder named by LRFIND_DATA, which holds mnist/, dogbreed/ and dogbreed-fullsize/."""
    named = os.environ.get("LRFIND_DATA")
    if not named:
        pytest.skip("LRFIND_DATA names no folder of real data")
    folder = Path(named)
    missing = [name for name in ("mnist", "dogbreed", "dogbreed-fullsize") if not (folder / name).is_dir()]
    if missing:
        pytest.skip(f"LRFIND_DATA={folder} lacks {', '.join(missing)}")
    return folder
