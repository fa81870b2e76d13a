"""The policies against torch's own schedulers, step by step, and as a scheduler of torch."""

import pytest
import torch

from lrfind import UserError, policies
from lrfind.policies import Policy, schedule, torch_code

# Name, parameters, and torch's own scheduler of the same, made by hand: not by the code that is printed.
LR = torch.optim.lr_scheduler
CASES = [
    ("fixed", {}, lambda o, n: LR.ConstantLR(o, factor=1.0)),
    ("step", {"step_size": 50, "gamma": 0.9}, lambda o, n: LR.StepLR(o, 50, 0.9)),
    ("step", {"step_size": 7, "gamma": 0.1}, lambda o, n: LR.StepLR(o, 7, 0.1)),
    ("multistep", {"milestones": [3, 20, 21], "gamma": 0.3},
     lambda o, n: LR.MultiStepLR(o, [3, 20, 21], 0.3)),
    ("exp", {"gamma": 0.99}, lambda o, n: LR.ExponentialLR(o, 0.99)),
    ("inv", {"gamma": 0.02}, lambda o, n: LR.LambdaLR(o, lambda i: (1 + 0.02 * i) ** -0.5)),
    ("inv", {"gamma": 0.02, "power": 0.75}, lambda o, n: LR.LambdaLR(o, lambda i: (1 + 0.02 * i) ** -0.75)),
    ("poly", {}, lambda o, n: LR.PolynomialLR(o, n, 0.9)),
    ("poly", {"power": 2.5}, lambda o, n: LR.PolynomialLR(o, n, 2.5)),
    ("linear", {}, lambda o, n: LR.LinearLR(o, 1.0, 0.0, n)),
    ("linear", {"end_factor": 0.1}, lambda o, n: LR.LinearLR(o, 1.0, 0.1, n)),
    ("cosine", {"warmup_steps": 0, "eta_min": 0.01}, lambda o, n: LR.CosineAnnealingLR(o, n, 0.01)),
    (
        "cosine",
        {"warmup_steps": 17, "start_factor": 0.2},
        lambda o, n: LR.SequentialLR(
            o, [LR.LinearLR(o, 0.2, 1.0, 17), LR.CosineAnnealingLR(o, n - 17)], milestones=[17]
        ),
    ),
    ("one_cycle", {}, lambda o, n: LR.OneCycleLR(o, 0.1, n)),
    (
        "one_cycle",
        {"pct_start": 0.41, "anneal_strategy": "linear", "div_factor": 10, "final_div_factor": 100,
         "base_momentum": 0.7, "max_momentum": 0.9},
        lambda o, n: LR.OneCycleLR(
            o, 0.1, n, pct_start=0.41, anneal_strategy="linear", div_factor=10.0, final_div_factor=100.0,
            base_momentum=0.7, max_momentum=0.9,
        ),
    ),
    ("cyclic", {"base_lr": 0.01, "step_size_up": 13},
     lambda o, n: LR.CyclicLR(o, 0.01, 0.1, 13, cycle_momentum=False)),
    (
        "wsd",
        {"warmup_steps": 10, "decay_steps": 20, "start_factor": 0.1, "end_factor": 0.25},
        lambda o, n: LR.SequentialLR(
            o,
            [LR.LinearLR(o, 0.1, 1.0, 10), LR.ConstantLR(o, 1.0), LR.LinearLR(o, 1.0, 0.25, 20)],
            milestones=[10, n - 20],
        ),
    ),
    ("wsd", {"warmup_steps": 0, "decay_steps": 0}, lambda o, n: LR.ConstantLR(o, 1.0)),
]  # fmt: skip
IDS = [f"{name} {given}" for name, given, _ in CASES]


def an_optimizer(lr=0.1, **groups):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9, **groups)


def courses(scheduler, optimizer, num_steps):
    """Rates and momenta of every update, and the rate after the last."""
    rates, momenta = [], []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        scheduler.step()
    return [*rates, optimizer.param_groups[0]["lr"]], momenta


@pytest.mark.parametrize(("name", "given", "make"), CASES, ids=IDS)
@pytest.mark.parametrize("num_steps", [301, 60])
def test_a_policy_is_torchs_own_step_by_step(name, given, make, num_steps):
    plan = schedule(name, lr=0.1, num_steps=num_steps, **given)
    optimizer = an_optimizer()
    rates, momenta = courses(make(optimizer, num_steps), optimizer, num_steps)
    ours = [plan.rate(i) for i in range(num_steps + 1)]
    if plan.policy is Policy.ONE_CYCLE:
        # Past its last update torch goes on along the cosine; a policy that has arrived stays.
        ours[-1] = rates[-1]
    assert ours == pytest.approx(rates, rel=1e-12, abs=1e-15)
    assert ours == pytest.approx(rates, rel=0, abs=1e-15)
    if plan.moves_momentum:
        assert [plan.momentum(i) for i in range(num_steps)] == pytest.approx(momenta, rel=1e-12)
    else:
        assert set(momenta) == {0.9}


@pytest.mark.parametrize(("name", "given", "make"), CASES, ids=IDS)
@pytest.mark.parametrize("num_steps", [301, 60])
def test_the_code_gives_the_same_rates_and_moves_no_other_momentum(name, given, make, num_steps):
    plan = schedule(name, lr=0.1, num_steps=num_steps, **given)
    names = {"torch": torch, "optimizer": an_optimizer()}
    exec(torch_code(plan), names)
    rates, momenta = courses(names["scheduler"], names["optimizer"], num_steps)
    assert rates[:-1] == pytest.approx([plan.rate(i) for i in range(num_steps)], rel=1e-12, abs=1e-15)
    assert momenta == pytest.approx([plan.momentum(i) or 0.9 for i in range(num_steps)], rel=1e-12)


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("num_steps", [4, 5, 7, 300])
def test_the_code_of_the_defaults_gives_the_same_rates(policy, num_steps):
    plan = schedule(policy, lr=0.1, num_steps=num_steps)
    names = {"torch": torch, "optimizer": an_optimizer()}
    exec(torch_code(plan), names)
    rates, _ = courses(names["scheduler"], names["optimizer"], num_steps)
    assert rates[:-1] == pytest.approx([plan.rate(i) for i in range(num_steps)], rel=1e-12, abs=1e-15)


def two_groups():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.02, 0.2)]
    return torch.optim.AdamW(groups, betas=(0.9, 0.99))


@pytest.mark.parametrize("policy", list(Policy))
def test_a_scheduler_gives_the_fastest_group_the_rates_and_keeps_the_ratio(policy):
    optimizer = two_groups()
    plan = schedule(policy, lr=0.5, num_steps=12)
    scheduler = policies.scheduler(optimizer, plan)
    for i in range(13):
        slow, fast = (group["lr"] for group in optimizer.param_groups)
        assert fast == plan.rate(i)
        assert slow == pytest.approx(fast / 10, rel=1e-15)
        assert scheduler.get_last_lr() == [slow, fast]
        assert optimizer.param_groups[1]["betas"] == (plan.momentum(i) or 0.9, 0.99)
        optimizer.step()
        scheduler.step()


def test_without_a_rate_the_peak_is_that_of_the_fastest_group():
    scheduler = policies.scheduler(two_groups(), "step", num_steps=100, gamma=0.5, step_size=10)
    assert scheduler.schedule.lr == 0.2
    assert policies.scheduler(two_groups(), "step", num_steps=100, lr=0.7).schedule.lr == 0.7


def test_a_scheduler_is_one_of_torch_and_goes_on_from_its_state(tmp_path):
    def begun():
        optimizer = an_optimizer()
        return optimizer, policies.scheduler(optimizer, "cosine", num_steps=20)

    optimizer, scheduler = begun()
    assert isinstance(scheduler, LR.LRScheduler)
    for _ in range(7):
        optimizer.step()
        scheduler.step()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], tmp_path / "state.pt")
    again, resumed = begun()
    saved, at = torch.load(tmp_path / "state.pt", weights_only=True)
    again.load_state_dict(saved)
    resumed.load_state_dict(at)
    assert courses(resumed, again, 13)[0] == courses(scheduler, optimizer, 13)[0]


def test_what_cannot_be_scheduled_is_refused():
    with pytest.raises(UserError, match="num_steps is required"):
        policies.scheduler(an_optimizer(), "step")
    with pytest.raises(UserError, match="give it alone"):
        policies.scheduler(an_optimizer(), schedule("step", lr=0.1, num_steps=3), lr=0.1)
    with pytest.raises(UserError, match="a rate greater than 0 is needed, got 0"):
        policies.scheduler(an_optimizer(lr=0.0), "step", num_steps=3)
    with pytest.raises(UserError, match="Did you mean cosine"):
        policies.scheduler(an_optimizer(), "cosin", num_steps=3)
