"""`-q`: the number on stdout, and errors alone on stderr."""

import pytest

from lrfind.cli.main import main

WARNS = """
import logging
import warnings

import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        warnings.warn("a warning of the model's", UserWarning)
        logging.getLogger("lrfind").warning("a warning in the log")
        self.line = torch.nn.Linear(64, 10)

    def forward(self, inputs):
        return self.line(inputs.flatten(1))
"""

FEW = {
    "range": ("range.num_steps=40",),
    "refine": ("refine.rounds=1", "refine.iterations=2", "refine.restart=true", "refine.seeds=2"),
    "verify": ("verify.steps=20", "verify.seeds=1", "range.num_steps=40"),
    "compare": ("compare.lrs=[0.1,0.3]", "compare.samples=640", "compare.seeds=1"),
    "schedule": ("--try", "schedule.policy=[fixed,cosine]", "schedule.num_steps=20", "schedule.seeds=1"),
}


@pytest.mark.parametrize("command", FEW)
def test_nothing_is_written_to_stderr_where_nothing_is_wrong(lrfind, command):
    ran = lrfind(command, "-q", *FEW[command])
    assert ran.err == ""
    assert ran.code == 0
    assert float(ran.out) > 0


@pytest.mark.filterwarnings("ignore:a warning of the model")
def test_warnings_of_the_model_and_of_the_log_are_left_out_of_the_quiet_run_alone(lrfind, own):
    own("warning_net", WARNS)
    words = ("model=custom", "model._target_=warning_net.Net", "trust=[warning_net]", "range.num_steps=40")
    assert lrfind(*words, "-q").err == ""
    assert "a warning in the log" in lrfind(*words).err


def test_a_multirun_tells_only_of_the_job_that_failed(tmp_path, capfd):
    words = ["-m", "-q", "batch_size=64,100000", "range.num_steps=40", f"hydra.sweep.dir={tmp_path}"]
    assert main(words) == 2
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == len(err.splitlines()) == 1
    assert err.startswith("lrfind: error: job 1 (batch_size=100000")


def test_a_number_that_is_missing_is_an_error(lrfind):
    ran = lrfind("-q", "range.start_lr=1e-12", "range.end_lr=1e-10", "range.num_steps=40")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("lrfind: error: no learning rate can be suggested. ")
    assert len(ran.err.splitlines()) == 1
