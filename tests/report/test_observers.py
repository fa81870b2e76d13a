"""Who is told how a job gets on, beside the screen, of which the tests of the console speak."""

import logging
from types import SimpleNamespace

import pytest

from lrfind.report.observers import Caller


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


def test_sentences_for_a_caller_go_to_the_log_of_the_package(caplog):
    observer = Caller()
    with caplog.at_level(logging.INFO, logger="lrfind"):
        observer.note("a range test first.")
        observer.warn("this could not be resumed.")
    said = [(record.name, record.levelname, record.message) for record in caplog.records]
    assert said == [
        ("lrfind", "INFO", "a range test first."),
        ("lrfind", "WARNING", "this could not be resumed."),
    ]
