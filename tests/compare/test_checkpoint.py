"""The files that processes of a launcher leave, and what is taken from them where nobody collected them."""

import numpy as np

from lrfind.compare.checkpoint import job_as_bytes, job_of, read_jobs
from lrfind.compare.job import TrainedJob
from lrfind.training.run_set import RunSet


def trained(seed=0):
    runs = RunSet.untrained([0.1, 0.3], read_at=(0, 5), seed=seed)
    runs.readings[:] = [[2.0, 1.0 / 3.0], [2.0, np.nan]]
    runs.accuracies[:] = [[0.1, 0.7], [0.1, np.nan]]
    runs.diverged[1] = True
    runs.steps_taken[:] = [5, 2]
    runs.finished[:] = True
    return TrainedJob(("SGD", 64, seed), runs, ["a.png"])


def test_what_a_run_came_to_comes_back_to_the_last_digit():
    found = job_of(job_as_bytes(trained()))
    assert found.key == ("SGD", 64, 0)
    assert found.skipped == ["a.png"]
    np.testing.assert_array_equal(found.runs.readings, trained().runs.readings)
    np.testing.assert_array_equal(found.runs.accuracies, trained().runs.accuracies)
    assert found.runs.diverged.tolist() == [False, True]
    assert found.runs.steps_taken.tolist() == [5, 2]
    assert found.runs.whole


def test_every_run_that_was_finished_is_found_and_a_damaged_one_passed_over(tmp_path):
    for folder, seed in (("0", 0), ("1", 1), ("1", 2)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{seed}.result").write_bytes(job_as_bytes(trained(seed)))
    (tmp_path / "1" / "2.result").write_bytes(job_as_bytes(trained(2))[:-9])
    assert sorted(read_jobs(tmp_path)) == [("SGD", 64, 0), ("SGD", 64, 1)]
    assert read_jobs(tmp_path / "absent") == {}
