"""What a trial of policies comes to: the outcomes, the sentence, the picture, in numbers made up."""

import dataclasses

import numpy as np
import pytest

from lrfind.plotting.panel import Band, Line
from lrfind.schedule.results import Tried, reading_steps
from lrfind.schedule.trial_plot import trial_page
from lrfind.schedule.trial_report import tried_csv, tried_lines
from lrfind.schedules.schedule import ScheduleTable, schedule
from lrfind.training.baseline import Baseline
from lrfind.training.run_set import RunSet
from tests.panels import assert_readable, of
from tests.screen import shown


def tried(*finals, policies=("fixed", "linear", "cosine"), planned=None, accuracies=None, start=None):
    """A trial of 100 steps that ended with these losses, a row a seed; NaN: diverged."""
    seeds = []
    for i, row in enumerate(finals):
        last = np.array(row, dtype=float)
        runs = RunSet.untrained(np.full(len(row), 0.5), read_at=(10, 50, 100), num_steps=100, seed=i)
        runs.readings[:] = np.stack([last + 2, last + 1, last], axis=1)
        if accuracies is not None:
            runs.accuracies[:] = accuracies
        runs.diverged[:] = np.isnan(last)
        runs.steps_taken[:] = 100
        runs.finished[:] = True
        seeds.append(runs if start is None else dataclasses.replace(runs, baseline=Baseline(start)))
    courses = tuple(ScheduleTable.of(schedule(name, lr=0.5, num_steps=100)) for name in policies)
    return Tried(courses, (10, 50, 100), tuple(seeds), len(finals) if planned is None else planned)


def test_policies_are_compared_seed_by_seed():
    # The seeds differ by 1, the policies by 0.1 and 0.01, which is the same with every seed but for a little.
    found = tried([1.0, 1.1, 1.0101], [2.0, 2.101, 1.9902], [3.0, 3.1, 3.0103])
    assert found.best == 0
    assert found.outcomes[1].loss == pytest.approx(np.mean([1.1, 2.101, 3.1]))
    assert found.outcomes[1].loss_spread == pytest.approx(np.std([1.1, 2.101, 3.1], ddof=1))
    assert found.clearly_worse(1)
    assert not found.clearly_worse(2)
    assert found.verdict == (
        "After 100 steps fixed ended lowest, at a held-out loss of 2: compared seed by seed, below linear by "
        "more than chance, but cosine is within the spread of the seeds."
    )


@pytest.mark.parametrize(
    ("finals", "words"),
    [
        ([[1, 2, 3]], "but one seed cannot tell a difference from chance: give schedule.seeds=3 or more."),
        ([[1, 2, 3]] * 3, "below linear and cosine by more than chance."),
        ([[1, 1, 1]] * 3, "linear and cosine are within the spread of the seeds: this trial does not tell"),
        (
            [[1, np.nan, np.nan]] * 2,
            "for every other policy diverged. linear with 2 of 2 seeds and cosine with",
        ),
        ([[1, 2, 3], [1, np.nan, 3]], "linear with 1 of 2 seeds diverged."),
        ([[np.nan] * 3] * 2, "Every policy diverged in the trial: the peak is too high for this task"),
    ],
)
def test_the_sentence_says_no_more_than_was_measured(finals, words):
    assert words in tried(*finals).verdict


def test_of_a_trial_that_was_cut_off_nothing_is_best():
    found = tried([1, 2, 3], planned=3)
    assert found.interrupted
    assert found.best is None
    assert [outcome.status.value for outcome in found.outcomes] == ["interrupted"] * 3
    assert found.verdict.startswith("The trial was interrupted after 1 of 3 seeds: too early")


def test_where_nothing_is_learnt_no_policy_is_best():
    found = tried([2.3, 2.299, np.nan], [2.31, 2.309, 2.31], start=2.305)
    assert (found.best, found.learnt, found.diverged) == (None, False, False)
    assert found.verdict == (
        "Nothing was learnt in 100 steps under any policy: the held-out loss ends at 2.3 at best, and "
        "before training it is 2.31. The peak is too low or too high for this task, or the training "
        "too short."
    )
    assert [outcome.best for outcome in found.outcomes] == [False] * 3
    assert tried([2.3, 2.2, 2.3], [2.31, 2.2, 2.31], start=2.305).best == 1


@pytest.mark.parametrize(
    ("num_steps", "readings", "wanted"),
    [(100, 4, (25, 50, 75, 100)), (3, 3, (1, 2, 3)), (7, 3, (2, 5, 7)), (10, 1, (10,))],
)
def test_readings_are_spread_evenly_and_end_with_the_training(num_steps, readings, wanted):
    assert reading_steps(num_steps, readings) == wanted


def test_the_csv_has_a_row_a_reading_with_the_rate_of_its_last_update():
    lines = tried_csv(tried([1, 2, np.nan], accuracies=0.9)).splitlines()
    assert lines[0] == "policy,seed,step,lr,loss,accuracy"
    assert lines[1] == "fixed,0,10,0.5,3.0,0.9"
    assert lines[5] == f"linear,0,50,{0.5 * (1 - 49 / 100)!r},3.0,0.9"


def test_the_band_leaves_out_what_a_seed_does_to_all_policies_alike():
    page = trial_page(tried([1, 1.1, 1.2], [5, 5.1, 5.2]), "net on data")
    (panel,) = page.panels
    bands = of(panel, Band)
    assert len(bands) == 3
    for band in bands:
        np.testing.assert_allclose(band.high - band.low, 0, atol=1e-12)
    assert page.title.splitlines() == [
        "net on data, policies with a peak of 0.5",
        "Mean of 2 seeds. Band: ± one standard deviation of the distance to the mean of all policies on the "
        "same seed; below, ± is that of the losses themselves",
    ]
    # The best one is painted last and thickest.
    assert [(line.name, line.width > 1.5) for line in of(panel, Line)] == [
        ("linear", False),
        ("cosine", False),
        ("fixed", True),
    ]
    first = page.entries[0].entry
    assert first.bold
    assert first.text.startswith("fixed: ends at a held-out loss of 3 ± 2.8")


@pytest.mark.parametrize(("accuracies", "planned"), [(None, 2), (0.5, 3)])
@pytest.mark.parametrize("last", [3.0, np.nan, 1e6, 0.0])
def test_any_trial_can_be_drawn_and_told(accuracies, planned, last):
    found = tried([1, 2, last], [1, 3, last], planned=planned, accuracies=accuracies)
    page = trial_page(found, "net on data")
    assert len(page.panels) == (1 if accuracies is None else 2)
    assert_readable(page)
    boxes = [box for _, box in page.frames]
    assert all(x >= 0 and x + w <= 1 and y >= 0 and y + h <= 1 for x, y, w, h in boxes)
    lines = shown(tried_lines(found))
    assert len(lines) == 6
    assert all(len(line.text) <= 80 for line in lines[2:])


def test_many_policies_are_told_apart_by_colour_and_dash_with_the_band_of_the_best_alone():
    names = ["fixed", "step", "exp", "inv", "poly", "linear", "cosine"]
    found = tried(list(range(7)), list(range(7)), policies=names)
    (panel,) = trial_page(found, "net on data").panels
    (band,) = of(panel, Band)
    lines = of(panel, Line)
    assert band.colour == lines[-1].colour
    assert lines[-1].name == "fixed"
    assert len({(line.colour, line.dash) for line in lines}) == 7
