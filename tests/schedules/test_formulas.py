"""The formulas of the policies, against tables worked out by hand, and the rules of the batch size."""

import math

import pytest

from lrfind.schedules import formulas


def test_step_is_the_chapters_table():
    rates = [formulas.step(i, lr=0.1, gamma=0.9, step_size=50) for i in range(0, 301, 50)]
    assert rates == pytest.approx([0.1, 0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441], rel=1e-14)
    assert formulas.step(49, lr=0.1, gamma=0.9, step_size=50) == 0.1


def test_fixed_never_moves():
    assert {formulas.fixed(i, lr=0.3) for i in range(10)} == {0.3}


def test_multistep_drops_at_uneven_steps_and_at_them_not_after():
    rates = [formulas.multistep(i, lr=8.0, gamma=0.5, milestones=[2, 3, 7]) for i in range(9)]
    assert rates == [8, 8, 4, 2, 2, 2, 2, 1, 1]


def test_exp_drops_at_every_step():
    assert [formulas.exp(i, lr=8.0, gamma=0.5) for i in range(4)] == [8, 4, 2, 1]


def test_inv_by_hand():
    # 1 + 0.03 * i is 1, 4, 16 at 0, 100, 500: roots 1, 2, 4.
    assert [formulas.inv(i, lr=0.8, gamma=0.03) for i in (0, 100, 500)] == pytest.approx([0.8, 0.4, 0.2])
    assert formulas.inv(500, lr=0.8, gamma=0.03, power=1.0) == pytest.approx(0.05)


def test_poly_by_hand():
    # What is left is 1, 1/4, 1/100 of the way.
    rates = [formulas.poly(i, lr=1.0, num_steps=100, power=0.5) for i in (0, 75, 99)]
    assert rates == pytest.approx([1, 0.5, 0.1], rel=1e-14)
    assert formulas.poly(99, lr=1.0, num_steps=100) == pytest.approx(10**-1.8)
    assert formulas.poly(100, lr=1.0, num_steps=100) == formulas.poly(101, lr=1.0, num_steps=100) == 0


@pytest.mark.parametrize("i", [0, 1, 37, 100])
def test_poly_with_power_1_is_the_straight_line(i):
    straight = formulas.linear(i, lr=0.2, num_steps=100)
    assert formulas.poly(i, lr=0.2, num_steps=100, power=1.0) == pytest.approx(straight, rel=1e-14)
    assert straight == pytest.approx(0.2 * (1 - i / 100), rel=1e-14)


def test_cosine_by_hand():
    def rate(i):
        return formulas.cosine(i, lr=1.0, num_steps=110, warmup_steps=10, start_factor=0.5, eta_min=0.2)

    assert [rate(i) for i in (0, 5, 10, 60, 110, 200)] == pytest.approx([0.5, 0.75, 1.0, 0.6, 0.2, 0.2])


def test_wsd_by_hand():
    def rate(i):
        return formulas.wsd(i, lr=2.0, num_steps=100, warmup_steps=10, decay_steps=20, start_factor=0.1,
                            end_factor=0.25)  # fmt: skip

    wanted = {0: 0.2, 5: 1.1, 9: 1.82, 10: 2.0, 50: 2.0, 80: 2.0, 90: 1.25, 95: 0.875, 100: 0.5, 101: 0.5}
    assert [rate(i) for i in wanted] == pytest.approx(list(wanted.values()))


def test_wsd_without_a_fall_stays():
    assert {formulas.wsd(i, lr=2.0, num_steps=5) for i in range(8)} == {2.0}


def test_cyclic_by_hand():
    rates = [formulas.cyclic(i, base_lr=1.0, max_lr=5.0, step_size_up=4) for i in range(10)]
    assert rates == [1, 2, 3, 4, 5, 4, 3, 2, 1, 2]


def test_one_cycle_by_hand_with_the_momentum_against_it():
    # Up to step 0.5 * 10 - 1 = 4, down to step 9.
    given = {"num_steps": 10, "pct_start": 0.5, "anneal_strategy": "linear"}
    rates = [
        formulas.one_cycle(i, lr=1.0, div_factor=5.0, final_div_factor=10.0, **given)
        for i in (0, 2, 4, 9, 10)
    ]
    assert rates == pytest.approx([0.2, 0.6, 1.0, 0.02, 0.02])
    momenta = [
        formulas.one_cycle_momentum(i, base_momentum=0.8, max_momentum=0.9, **given) for i in (0, 4, 9)
    ]
    assert momenta == pytest.approx([0.9, 0.8, 0.9])


def test_a_rate_for_another_batch_size():
    assert formulas.linear_rule(0.1, 32, 128) == 0.4
    assert formulas.sqrt_rule(0.1, 32, 128) == 0.2
    assert formulas.sqrt_rule(0.1, 32, 64) == pytest.approx(0.1 * math.sqrt(2))
    assert formulas.linear_rule(formulas.linear_rule(0.3, 16, 128), 128, 16) == pytest.approx(0.3)
