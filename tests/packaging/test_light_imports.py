"""What must not be loaded, looked at in a fresh interpreter."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "matplotlib", "hydra", "numpy", "rich", "argparse")


def loaded(code: str) -> set[str]:
    """The heavy packages that are loaded after the code has run."""
    watch = f"import sys, json; {code}; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import lrfind",
        "from lrfind.cli.main import main; main(['--help'])",
        "from lrfind.cli.main import main; main(['--version'])",
        "from lrfind.cli.main import main; main(['nonsense'])",
    ],
)
def test_nothing_heavy_is_loaded_by(code):
    assert loaded(code) == set()


def test_the_help_of_a_command_reads_its_config_and_loads_little():
    assert loaded("from lrfind.cli.main import main; main(['range', '--help'])") <= {"numpy"}


def test_config_its_checks_and_the_rules_load_no_torch():
    code = (
        "import lrfind.config.validate, lrfind.config.bounds, lrfind.training.smoothing; "
        "from lrfind.range_test import curve, ladder, reading, smoothed_curve, verdict"
    )
    assert "torch" not in loaded(code)


def test_report_loads_neither_torch_nor_matplotlib_nor_rich():
    code = "import lrfind.report.record, lrfind.range_test.plot, lrfind.report.console"
    assert loaded(code) & {"torch", "matplotlib", "rich"} == set()


def test_default_job_loads_no_torchvision(tmp_path):
    words = ["-q", f"hydra.run.dir={tmp_path}", "range.num_steps=20"]
    assert "torchvision" not in loaded(f"from lrfind.cli.main import main; assert main({words}) == 0")


def test_the_formulas_of_the_policies_load_no_torch():
    assert "torch" not in loaded(
        "from lrfind import policies; policies.schedule('step', lr=1.0, num_steps=3)"
    )


@pytest.mark.parametrize("words", [["schedule.lr=0.1", "schedule.policy=all"], ["schedule.lr=-1"]])
def test_a_schedule_loads_no_torch(tmp_path, words):
    words = ["schedule", "-q", *words, f"hydra.run.dir={tmp_path}"]
    assert "torch" not in loaded(f"from lrfind.cli.main import main; main({words})")


def test_public_names_are_found_lazily():
    import lrfind
    from lrfind.api import range_test

    assert lrfind.range_test is range_test
    assert "range_test" in dir(lrfind)
    assert lrfind.policies.step(100, lr=0.1, gamma=0.5, step_size=50) == 0.025
    assert "scheduler" in dir(lrfind.policies)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = lrfind.policies.nonsense
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = lrfind.nonsense
