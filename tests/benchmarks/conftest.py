"""The benchmarks lie beside the package, not in it: the root of the checkout makes them importable."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))


@pytest.fixture(autouse=True)
def a_data_folder_is_named(monkeypatch, tmp_path):
    """Configs name `${oc.env:LRFIND_DATA}`; where nobody set it, it leads to an empty folder."""
    import os

    if "LRFIND_DATA" not in os.environ:
        monkeypatch.setenv("LRFIND_DATA", str(tmp_path))
