"""What every folder of tests shares."""

import gc
import importlib
import json
import os
import pickle
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

# The networks of the tests are too small for threads to pay, and threads that wait for each other on a busy
# machine make a test take ten times as long. Child processes take it over.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Jobs in the background of a shell ignore Ctrl-C, and so does what they start: no test could interrupt it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import HealthCheck, settings

from lrfind.cli.commands import COMMANDS
from lrfind.cli.main import main

# The same examples every time and everywhere, few enough for seconds; a slow machine fails nothing.
settings.register_profile(
    "lrfind",
    derandomize=True,
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("lrfind")

NO_PICTURE = b"A picture that was drawn and not rendered."


def pytest_collection_finish(session):
    """Python's collector looks no more at what stays: a tenth of the time goes to it else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session", autouse=True)
def _configs_are_parsed_once():
    """Hydra parses some twenty YAML files of packages a command, the same ones for every test."""
    from hydra.core.plugins import Plugins

    Plugins.instance()  # which loads the module of the class once more: another class would be patched
    from hydra._internal.core_plugins.importlib_resources_config_source import (
        ImportlibResourcesConfigSource as Source,
    )

    parsed, read = {}, Source._read_config

    def read_once(self, path):
        if path not in parsed:
            parsed[path] = pickle.dumps(read(self, path))
        return pickle.loads(parsed[path])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Source, "_read_config", read_once)
        yield


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


@pytest.fixture
def gpu() -> str:
    """The GPU that tests marked `gpu` run on, as `device=` takes it; LRFIND_DEVICE=cpu rehearses them."""
    import torch

    named = os.environ.get("LRFIND_DEVICE", "cuda:0")
    if named.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device; LRFIND_DEVICE=cpu rehearses it on the CPU")
    return named


@dataclass
class Ran:
    """How a run of the command ended."""

    code: int
    out: str
    err: str
    folder: Path
    command: str = "range"

    @property
    def record(self):
        return json.loads((self.folder / f"{self.command}.json").read_text())

    @property
    def rows(self):
        header, *lines = (self.folder / f"{self.command}.csv").read_text().splitlines()
        return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


@pytest.fixture
def pictures_drawn_alone(request, monkeypatch):
    """Pictures are drawn and not rendered, which takes as long as the training of most tests.

    Except in tests that are marked `picture`.
    """
    if request.node.get_closest_marker("picture") is None:
        monkeypatch.setattr("lrfind.plotting.draw.png", lambda figure: NO_PICTURE)


@pytest.fixture
def lrfind(capfd, tmp_path, monkeypatch, pictures_drawn_alone):
    """Runs `lrfind` with the words given, in an empty working directory, results in `run/` there."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, folder: str = "run") -> Ran:
        capfd.readouterr()
        code = main([*words, f"hydra.run.dir={tmp_path / folder}"])
        out, err = capfd.readouterr()
        command = next((word for word in words if word in COMMANDS), "range")
        return Ran(code, out, err, tmp_path / folder, command)

    return run


@pytest.fixture
def on_engine(monkeypatch):
    """Has the runs of the next commands done by an engine (`tests.toy_launcher`), made of their folder."""
    from lrfind.execution.launcher import CELLS

    def use(make):
        made = []

        def engine(directory):
            made.append(make(directory / CELLS))
            return made[-1]

        monkeypatch.setattr("lrfind.cli.hydra_launcher.launcher_of", engine)
        return made

    return use


@pytest.fixture
def own(tmp_path):
    """Writes a module of a stranger's into the working directory and returns its name; forgotten after."""
    path, written = list(sys.path), []

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        written.append(name)
        return name

    yield write
    sys.path[:] = path
    for name in written:
        sys.modules.pop(name, None)
