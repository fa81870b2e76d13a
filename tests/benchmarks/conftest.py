"""What the tests of the benchmarks share."""

import os

import pytest


@pytest.fixture(autouse=True)
def a_data_folder_is_named(monkeypatch, tmp_path):
    """Configs name `${oc.env:LRFIND_DATA}`; where nobody set it, it leads to an empty folder."""
    if "LRFIND_DATA" not in os.environ:
        monkeypatch.setenv("LRFIND_DATA", str(tmp_path))
