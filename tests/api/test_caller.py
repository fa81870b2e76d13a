"""What a caller in Python is told; of the screen the tests of the console speak."""

import logging
from types import SimpleNamespace

import pytest

from lrfind.api.caller import Caller


def test_the_function_of_a_caller_takes_every_step_as_it_is(capsys):
    taken = []
    steps = [SimpleNamespace(index=index) for index in range(3)]
    with Caller(taken.append).steps(3) as on_step:
        for step in steps:
            on_step(step)
    assert taken == steps
    assert capsys.readouterr() == ("", "")


def test_what_the_function_of_a_caller_raises_ends_the_job():
    def stop(step):
        raise RuntimeError(f"enough at {step}")

    with pytest.raises(RuntimeError, match="enough at 1"), Caller(stop).steps(3) as on_step:
        on_step(1)


def test_a_caller_without_a_function_is_told_nothing(capsys):
    with Caller().steps(3) as on_step:
        on_step(1)
    assert capsys.readouterr() == ("", "")


def test_sentences_for_a_caller_go_to_the_log_of_the_package_and_name_arguments(caplog):
    observer = Caller()
    with caplog.at_level(logging.INFO, logger="lrfind"):
        observer.note("at most 10 steps in all (verify.budget).")
        observer.warn("lower range.end_lr, or give verify.lr=0.1 or range.paired=false.")
    said = [(record.name, record.levelname, record.message) for record in caplog.records]
    assert said == [
        ("lrfind", "INFO", "at most 10 steps in all (budget)."),
        ("lrfind", "WARNING", "lower end_lr, or give lr=0.1 or paired=False."),
    ]
