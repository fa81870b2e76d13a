"""What Hydra and its launchers raise, as messages."""

import pytest

from lrfind.cli.hydra_errors import explained, launcher_error


def raised(error):
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_error_without_a_text_is_told_by_its_line():
    said = str(explained(raised(AssertionError()), "range", []))
    assert said.startswith("AssertionError at ")
    assert said.endswith("raise error")


@pytest.mark.parametrize("error", [ConnectionError("no Ray there"), TimeoutError("too slow")])
def test_a_connection_is_no_run_directory(error):
    assert explained(raised(error), "range", []) is None
    told = launcher_error(error, "ray")
    assert str(told).startswith(f"hydra/launcher=ray gave up: {type(error).__name__}: {error}.")
    assert told.exit_code == 2


def test_a_folder_that_cannot_be_made_is_still_told_as_one():
    error = PermissionError(13, "Permission denied", "/there")
    assert "/there: the run directory cannot be made: Permission denied" in str(explained(error, "range", []))
    full = OSError(28, "No space left on device")  # by what writes a file that is open, which has no name
    told = str(explained(full, "range", ["-m", "seed=0,1"]))
    assert told.startswith("The run directory cannot be made: No space left on device. ")
    assert told.endswith(" hydra.sweep.dir=FOLDER.")


def test_without_another_engine_an_error_is_not_the_launchers():
    assert launcher_error(RuntimeError(), "basic") is None
    assert launcher_error(RuntimeError(), None) is None


@pytest.mark.parametrize(
    ("option", "extra"), [("joblib", "joblib"), ("submitit_slurm", "submitit"), ("ray", "ray")]
)
def test_a_launcher_that_is_not_installed_is_told_with_what_brings_it(option, extra):
    from hydra.errors import MissingConfigException

    error = MissingConfigException("not found", f"hydra/launcher/{option}", ["basic"])
    said = str(explained(error, "compare", [f"hydra/launcher={option}"]))
    assert said == (
        f"hydra/launcher={option} needs a package that is not installed (no hydra-{extra}-launcher): "
        f"pip install 'lrfind[{extra}]'."
    )
    other = MissingConfigException("not found", "hydra/launcher/slurm", ["basic", "joblib"])
    said = str(explained(other, "compare", ["hydra/launcher=slurm"]))
    assert said == "hydra/launcher=slurm is not known. hydra/launcher is one of basic, joblib."
