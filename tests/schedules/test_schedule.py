"""What a schedule is made of: defaults, bounds, and what is said where they are passed."""

import math
import re

import pytest

from lrfind.errors import UserError
from lrfind.schedules.policy import Policy
from lrfind.schedules.schedule import PARAMETERS, ScheduleTable, policy_of, schedule, torch_code


def test_every_policy_has_a_formula_parameters_and_code():
    for policy in Policy:
        plan = schedule(policy, lr=0.1, num_steps=300)
        assert tuple(plan.parameters) == PARAMETERS[policy]
        assert math.isfinite(plan.rate(0))
        compile(torch_code(plan), policy.value, "exec")


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("num_steps", [4, 5, 11, 300])
def test_the_peak_is_the_rate_asked_for(policy, num_steps):
    course = ScheduleTable.of(schedule(policy, lr=0.1, num_steps=num_steps))
    assert course.rates.shape == (num_steps + 1,)
    assert course.rates.max() <= 0.1 * (1 + 1e-14)
    # Where the peak lies between two steps the highest one stays a little below it.
    assert course.rates.max() == pytest.approx(0.1, rel=1e-12 if policy is not Policy.ONE_CYCLE else 0.2)
    assert course.rates.min() >= 0
    assert (course.momenta is not None) == (policy is Policy.ONE_CYCLE)


def test_defaults_follow_the_number_of_steps():
    assert dict(schedule("step", lr=0.1, num_steps=300).parameters) == {"step_size": 50, "gamma": 0.9}
    assert schedule("multistep", lr=0.1, num_steps=300).parameters["milestones"] == (150, 225)
    assert schedule("exp", lr=0.1, num_steps=300).rate(300) == pytest.approx(0.001)
    for power in (0.25, 0.5, 2):
        assert schedule("inv", lr=0.1, num_steps=300, power=power).rate(300) == pytest.approx(0.01)
    cyclic = schedule("cyclic", lr=0.1, num_steps=300, max_lr=0.4)
    assert (cyclic.lr, cyclic.parameters["base_lr"]) == (0.4, 0.1)


def test_what_is_none_is_left_to_the_defaults():
    assert schedule("step", lr=0.1, num_steps=300, gamma=None) == schedule("step", lr=0.1, num_steps=300)


@pytest.mark.parametrize(
    ("policy", "given", "said"),
    [
        ("stpe", {}, "stpe is no policy. Did you mean step?"),
        ("one-cycle", {}, "Did you mean one_cycle?"),
        ("fixed", {"gamma": 0.9}, "fixed takes no parameters, got gamma"),
        ("cosine", {"gamma": 0.9}, "cosine takes warmup_steps, start_factor, eta_min, got gamma"),
        ("step", {"lr": 0.0}, "lr must be greater than 0 and finite, got 0.0"),
        ("step", {"lr": math.nan}, "lr must be greater than 0 and finite, got nan"),
        ("step", {"num_steps": 0}, "num_steps must be a whole number from 1 to 10,000,000, got 0"),
        ("step", {"num_steps": 1.5}, "num_steps must be a whole number"),
        ("step", {"gamma": -1}, "gamma must be greater than 0, got -1"),
        ("step", {"gamma": 1.1}, "gamma must be at most 1, or the rate would rise, got 1.1"),
        ("exp", {"gamma": math.inf}, "gamma must be greater than 0, got inf"),
        ("step", {"step_size": 0}, "step_size must be a whole number of at least 1, got 0"),
        ("multistep", {"milestones": [100, 50]}, "milestones must be whole numbers that rise from 1 on"),
        ("multistep", {"milestones": [50, 50]}, "milestones must be whole numbers that rise"),
        ("multistep", {"milestones": [0]}, "milestones must be whole numbers that rise from 1 on"),
        ("multistep", {"milestones": [0.5]}, "milestones must be whole numbers"),
        ("multistep", {"milestones": []}, "milestones must be whole numbers"),
        ("multistep", {"milestones": [50, 301]}, "milestones must not lie beyond num_steps=300, got 301"),
        ("inv", {"power": 0}, "power must be greater than 0, got 0"),
        ("linear", {"end_factor": 2}, "end_factor must be from 0 to 1, got 2"),
        ("cosine", {"warmup_steps": 300}, "warmup_steps must be less than num_steps=300, got 300"),
        ("cosine", {"eta_min": 0.1}, "eta_min must be below the peak, lr=0.1, got 0.1"),
        ("cosine", {"start_factor": 0}, "start_factor must be greater than 0 and at most 1"),
        ("one_cycle", {"pct_start": 1}, "pct_start must be between 0 and 1, got 1"),
        ("one_cycle", {"num_steps": 3}, "pct_start must give the rise more than a step of num_steps=3"),
        ("one_cycle", {"anneal_strategy": "sin"}, "anneal_strategy must be cos or linear, got 'sin'"),
        ("one_cycle", {"div_factor": 0.5}, "div_factor must be at least 1"),
        ("one_cycle", {"base_momentum": 0.99}, "base_momentum must be at most max_momentum=0.95, got 0.99"),
        ("cyclic", {"base_lr": 0.2}, "base_lr must be below max_lr=0.1, got 0.2"),
        ("wsd", {"warmup_steps": 200, "decay_steps": 101}, "together must not exceed num_steps=300"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(policy, given, said):
    with pytest.raises(UserError, match=re.escape(said)):
        schedule(policy, **{"lr": 0.1, "num_steps": 300, **given})


def test_all_that_is_wrong_is_said():
    with pytest.raises(UserError, match=r"(?s)lr must be.*num_steps must be.*gamma must be"):
        schedule("exp", lr=-1, num_steps=0, gamma=0)


def test_a_policy_is_found_by_its_name_or_itself():
    assert policy_of("wsd") is policy_of(Policy.WSD) is Policy.WSD


def test_numbers_at_the_edge_of_what_floats_hold_give_rates_all_the_same():
    for given in ({"gamma": 1e300, "power": 50.0}, {"gamma": 1e-300}, {"power": 1e-300}, {"power": 1e9}):
        rates = ScheduleTable.of(schedule("inv", lr=0.1, num_steps=10, **given)).rates
        assert rates[0] == 0.1
        assert (rates >= 0).all()
