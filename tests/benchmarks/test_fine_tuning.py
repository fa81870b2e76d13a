"""What lrfind's answers are worth on the fine-tuning tasks that were drawn for it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.truth.fine_tuning import (
    COUNT,
    DRAWS,
    RUNS,
    drawn_tasks,
    model,
    parts,
    regret,
    regrets,
    samples,
)
from benchmarks.truth.lines import read_lines

ROOT = Path(__file__).parents[2]


def line(*finals, initial=1.0):
    """Runs from two seeds at rates a decade apart."""
    return {"lrs": [0.01, 0.1, 1.0], "initial": [initial, initial], "final": [list(each) for each in finals]}


@pytest.mark.parametrize(
    ("ends", "lr", "expected"),
    [
        ((0.5, 0.2, 3.0), 0.1, 0.0),
        ((0.5, 0.2, 3.0), 0.01, 0.3 / 0.8),
        ((0.5, 0.2, 3.0), 1.0, 2.0),  # worse than it was by more than can be gained: no more than 2
        ((0.5, 0.2, None), 1.0, 2.0),
        ((0.5, 0.2, 1.4), 1.0, 1.2 / 0.8),
        ((0.5, 0.2, 3.0), None, 1.0),  # it stays as it was
        ((0.98, 1.0, 1.05), 0.01, 0.0),  # hardly anything can be gained: a tenth of the start counts
        ((0.98, 1.0, 1.05), 1.0, 0.07 / 0.1),
        ((0.98, 1.0, 1.05), None, 0.02 / 0.1),
        ((1.02, 1.1, 1.3), 0.01, 0.02 / 0.1),  # nothing can be gained: the start is best
        ((1.02, 1.1, 1.3), 0.1, 1.0),
        ((1.02, 1.1, 1.3), None, 0.0),
    ],
)
def test_what_counts_is_what_can_be_gained_but_at_least_a_tenth_of_the_start(ends, lr, expected):
    assert regret(line(ends, ends), lr) == pytest.approx(expected)


def test_the_recorded_tasks_are_those_of_the_draws_and_their_figures_those_of_the_docs():
    lines = {each["task"]: each for each in read_lines(RUNS)}
    names = {draw: [task.name for task in drawn_tasks(draw)] for draw in DRAWS}
    assert sorted(lines) == sorted(name for drawn in names.values() for name in drawn)
    assert len(lines) == 2 * COUNT
    text = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    worse = {}
    for draw, drawn in names.items():
        for half in (drawn[: COUNT // 2], drawn[COUNT // 2 :]):
            each = [regrets(lines[name]) for name in half]
            found = {rule: np.array([of_rule[rule] for of_rule in each]) for rule in each[0]}
            means = [f"{of_rule.mean():.3f}" for of_rule in found.values()]
            shares = ", ".join(f"{(of_rule <= 0.05).mean():.0%}" for of_rule in found.values())
            steps = [np.mean([[a["steps"] for a in lines[name][rule]] for name in half]) for rule in found]
            missing = ["", *means] if draw == "changed" else means
            row = " | ".join([*missing, shares, ", ".join(f"{count:.0f}" for count in steps)])
            assert f"| {row} |".replace("|  |", "| |") in text
            for rule, of_rule in found.items():
                worse[draw, rule] = worse.get((draw, rule), 0) + int((of_rule > 1).sum())
    assert [worse["any", "before"], worse["any", "answers"], worse["changed", "answers"]] == [3, 0, 2]
    assert "Of 48 answers to the first 16 tasks three made a model worse than it was, now none does" in text
    for draw, rule in (("any", "before"), ("any", "answers"), ("changed", "answers")):
        mean = np.mean([regrets(lines[name])[rule] for name in names[draw]])
        assert f"{mean:.3f}" in (ROOT / "docs/method.md").read_text(encoding="utf-8")


def test_a_start_has_met_none_of_the_samples_held_out_and_other_classes_have_a_new_head(
    monkeypatch, tmp_path
):
    from benchmarks.truth import pretrained

    monkeypatch.setattr(pretrained, "STARTS", tmp_path)
    monkeypatch.setattr(pretrained, "_trained", lambda like, *_, **others: like.state_dict())
    monkeypatch.setenv("LRFIND_DATA", "/nowhere")
    for name in ("waves_lstm_adam_32_classes_2000", "marked_gru_adamw_8_continued_2000"):
        each = parts(name)
        before, held_out = (
            {tuple(x.flatten().tolist()) for x in each[key][0]} for key in ("before", "held_out")
        )
        assert not before & held_out
        outputs = model(name)(each["held_out"][0][:3])
        assert outputs.shape == (3, samples(name).num_outputs)
