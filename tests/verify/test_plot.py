"""What the picture, the table and the screen of the runs around a rate show, in numbers and words."""

import dataclasses
import math

import numpy as np
import pytest

from lrfind.plotting.draw import draw, png
from lrfind.plotting.panel import (
    DARK,
    GREEN_TEXT,
    VERMILLION,
    VERMILLION_TEXT,
    Label,
    Line,
    Marker,
    Points,
    Shape,
    Span,
)
from lrfind.training.blind_answer import BlindAnswer
from lrfind.verify.candidates import Role, Trials, candidates
from lrfind.verify.judge import judge
from lrfind.verify.plan import Plan
from lrfind.verify.plot import verify_page
from lrfind.verify.report import roles_text, verify_csv, verify_lines, verify_record
from lrfind.verify.tried import Move
from lrfind.verify.verdict import VerifyVerdict, conclude
from tests.panels import assert_readable, of
from tests.screen import shown
from tests.verify.runs import runs_of, verified

INF, NAN = math.inf, math.nan
STEPS = 120
PLAN = Plan(STEPS, 1000, 180, "constant")
FLAT = VerifyVerdict(None, "Flat.", None)


def trials(finals, *, start=2.0, pinned=None, config=0.01):
    """Runs whose training loss falls on a straight line from the start to the final loss."""
    lrs = [lr for lr in (config, 0.0333, 0.1, 0.3, pinned) if lr is not None]
    tried = candidates(lrs, 0.1, Role.SUGGESTION, pinned)
    seeds = []
    for i, row in enumerate(finals):
        losses = np.full((len(tried), STEPS), NAN)
        for rate, final in enumerate(row):
            if not math.isfinite(final):
                losses[rate, :10] = np.append(np.linspace(start, 9 * start, 9), INF)
            else:
                losses[rate] = np.linspace(start, final, STEPS)
        seeds.append(runs_of(5 + i, start, losses, row))
    return Trials(tried, STEPS, tuple(seeds))


def judged(measured, **options):
    return judge(measured.lrs, measured.finals, measured.starts, margin=0.1, **{"checked": 2} | options)


def answer_of(page):
    """What stands above the right panel, from the top."""
    return "; ".join(label.text for label in reversed(of(page.panels[1], Label)))


THREE = trials([[1.5, 0.5, 0.2, INF], [1.4, 0.6, 0.3, 0.4]])


def test_a_rate_that_alone_came_to_its_end_has_no_interval_in_the_picture():
    measured = trials([[INF, INF, 0.2, INF]])
    page = verify_page(measured, judged(measured), "")
    assert answer_of(page) == "suggested 0.1; the range test's 0.1 holds"
    assert not of(page.panels[1], Span)
    assert not [placed for placed in page.entries if "0.1 to 0.1" in placed.entry.text]


def test_each_rate_has_its_curves_its_ends_and_its_key():
    page = verify_page(THREE, judged(THREE), "what is trained")
    assert page.title == "what is trained"
    along = verify_page(dataclasses.replace(THREE, schedule="cosine"), judged(THREE), "what is trained").title
    assert along == f"what is trained, {STEPS} steps of cosine"
    training, ends = page.panels
    assert [placed.entry.text for placed in page.entries] == [
        "0.01, searched: ends at 1.45",
        "0.0333, searched: ends at 0.55",
        "0.1, the range test's: ends at 0.25",
        "0.3, searched: diverged on 1 of 2 seeds",
        "held-out loss before training: 2 (above)",
        "above the frame",
        "0.0577 to 0.1: cannot be told from the best",
    ]
    assert [placed.entry.sample.colour == VERMILLION for placed in page.entries][:4] == [0, 0, 1, 0]
    one, _, mean = [line for line in of(training, Line) if line.colour == VERMILLION]
    # A straight line stays as it is when it is smoothed, and so does the mean of two.
    assert one.y == pytest.approx(np.linspace(2.0, 0.2, STEPS))
    assert mean.y == pytest.approx(np.linspace(2.0, 0.25, STEPS))
    finals, final, diverged = [points for points in of(ends, Points) if points.colour == VERMILLION]
    assert finals.y.tolist() == [0.2, 0.3]
    assert final.y == pytest.approx([0.25])
    assert len(diverged.y) == 0
    assert answer_of(page) == "suggested 0.1; the range test's 0.1 holds"
    (good,) = of(ends, Span)
    ends_of_it = (0.1 / math.sqrt(3), 0.1)  # the next higher one diverged
    assert (good.along, good.low, good.high) == ("x", *map(pytest.approx, ends_of_it))
    edge = {points.x[0]: points.shape for points in of(ends, Points)[2::3] if len(points.y)}
    assert edge == {0.01: Shape.UP, 0.3: Shape.CROSS}  # above the frame, diverged
    # Two fifths of the drop from 2 to the lowest end, 0.2: with all of it good rates could not be told apart.
    assert ends.y.limits[0] < 0.2
    assert 0.92 <= ends.y.limits[1] < 1.1
    assert not of(ends, Marker)


def test_where_nothing_was_learnt_the_loss_before_training_is_in_the_frame():
    measured = trials([[2.1, 2.2, 2.3, 2.2]])
    page = verify_page(measured, judged(measured), "")
    (start,) = of(page.panels[1], Marker)
    assert (start.along, start.at) == ("y", 2.0)
    hardly = trials([[2.1, 1.99, 2.05, 2.2]])  # a share of so small a drop is no scale
    low, high = verify_page(hardly, judged(hardly), "").panels[1].y.limits
    assert low < 1.99
    assert high > 2.1
    less = trials([[1.999, 1.99, 1.995, 1.998]])
    assert of(verify_page(less, judged(less), "").panels[1], Marker)
    assert "held-out loss before training: 2" in [placed.entry.text for placed in page.entries]


def test_rates_that_are_drawn_alike_share_an_entry_of_the_key():
    measured = trials([[NAN, NAN, 0.2, NAN]])
    measured.seeds[0].steps_taken[:] = [30, 60, STEPS, 60]
    page = verify_page(measured, judged(measured), "")
    texts = [placed.entry.text for placed in page.entries]
    assert texts[:2] == [
        "0.1, the range test's: ends at 0.2", "3 others, 0.01 to 0.3: given up after 30 to 60",
    ]  # fmt: skip
    # The panel of the ends shows the rate that has one, and not three without.
    low, high = page.panels[1].x.limits
    assert 0.03 < low < 0.1 < high < 0.32
    left = dataclasses.replace(measured, left=frozenset({0.3}), spent=True)
    texts = [placed.entry.text for placed in verify_page(left, judged(left, left=[3]), "").entries]
    assert texts[1:3] == [
        "2 others, 0.01 to 0.0333: given up after 30 to 60", "0.3, searched: left after 60",
    ]  # fmt: skip


def test_the_loss_of_the_same_answer_to_every_input_is_in_the_frame_where_no_rate_came_below_it():
    measured = dataclasses.replace(trials([[2.4, 2.35, 2.31, 2.5]], start=2.6), blind=BlindAnswer(2.303))
    page = verify_page(measured, judged(measured, blind=measured.blind), "")
    assert answer_of(page) == "nothing was learnt: not judged"
    assert [line.at for line in of(page.panels[1], Marker)] == [2.6, 2.303]
    low, high = page.panels[1].y.limits
    assert low < 2.303
    assert high > 2.6
    assert "the same answer to every input: 2.3" in [each.entry.text for each in page.entries]
    assert_readable(page)
    learnt = dataclasses.replace(measured, blind=BlindAnswer(2.5))
    assert len(of(verify_page(learnt, judged(learnt, blind=learnt.blind), "").panels[1], Marker)) < 2


@pytest.mark.parametrize("count", [5, 7, 12, 20])
def test_no_two_rates_share_a_colour(count):
    lrs = (0.1 * 1.5 ** np.arange(count)).tolist()
    runs = runs_of(0, 2.0, np.ones((count, STEPS)), np.linspace(0.2, 1.0, count))
    measured = Trials(candidates(lrs, lrs[2], Role.SUGGESTION, None), STEPS, (runs,))
    entries = verify_page(measured, judged(measured, checked=2), "").entries
    colours = [placed.entry.sample.colour for placed in entries[:count]]
    assert len(set(colours)) == count
    assert colours[2] == VERMILLION


def test_nothing_is_written_within_the_panels_where_a_point_could_strike_it_through():
    page = verify_page(THREE, judged(THREE), "")
    assert all(label.y >= 1 and not label.in_data for panel in page.panels for label in of(panel, Label))


def test_every_line_starts_at_the_first_loss_of_its_run():
    rng = np.random.default_rng(0)
    measured = trials([[1.5, 0.5, 0.2, 0.3], [1.4, 0.6, 0.3, 0.4]])
    for trial in measured.seeds:
        trial.losses[:] += 0.3 * rng.standard_normal(trial.losses.shape)
        trial.losses[:, 0] = 2.0 + 0.1 * trial.seed
    lines = of(verify_page(measured, judged(measured), "").panels[0], Line)
    assert [line.y[0] for line in lines] == pytest.approx([2.5, 2.6, 2.55] * 4)


def test_a_rate_of_one_seed_of_two_has_a_mean_of_that_one():
    measured = trials([[1.5, 0.5, 0.2, 0.3], [1.4, NAN, 0.3, 0.4]])
    measured.seeds[1].losses[1] = NAN
    measured.seeds[1].steps_taken[1] = 0
    lines = of(verify_page(measured, judged(measured), "").panels[0], Line)
    assert [len(line.y) for line in lines] == [STEPS] * 11
    assert lines[4].y == pytest.approx(lines[3].y)


def test_a_run_that_diverged_ends_at_its_last_finite_loss_and_is_marked_at_the_upper_edge():
    training, ends = verify_page(THREE, judged(THREE), "").panels
    assert [len(line.y) for line in of(training, Line)[-3:]] == [9, STEPS, 9]
    finals, final, diverged = of(ends, Points)[-3:]
    assert finals.y.tolist() == [0.4]
    assert len(final.y) == 0
    bottom, top = ends.y.limits
    assert diverged.y == pytest.approx([top - 0.025 * (top - bottom)])
    assert diverged.shape is Shape.CROSS
    # The cliff at 18 leaves the frame to the others.
    assert training.y.limits[1] < 3


def test_a_cliff_does_not_pull_the_line_below_what_was_measured():
    measured = trials([[1.5, 0.5, 0.2, 0.4]])
    measured.seeds[0].losses[3, 1:40] = 1e6
    lines = [line.y for line in of(verify_page(measured, judged(measured), "").panels[0], Line)]
    assert min(line.min() for line in lines) == pytest.approx(0.2)
    assert max(line.max() for line in lines) == pytest.approx(2.0 + 3 * 1.8)


@pytest.mark.parametrize(
    ("finals", "pinned", "answer"),
    [
        ([[1.5, 0.5, 0.2, 0.3]], None, "suggested 0.1; the range test's 0.1 holds"),
        ([[1.5, 0.5, 1.0, 0.3]], None, "suggested 0.3; the range test's 0.1 does not hold"),
        ([[1.5, 0.5, 0.2, 0.3, 1.9]], 1.0, "suggested 0.1, 1 is not sensible; the range test's 0.1 holds"),
        ([[2.0, 2.0, 2.0, 2.5]], None, "nothing was learnt: not judged"),
        ([[INF] * 4], None, "no rate holds"),
    ],
)
def test_the_answer_stands_in_the_picture(finals, pinned, answer):
    measured = trials(finals, pinned=pinned)
    judgement = judged(measured, pinned=measured.index([Role.PINNED]))
    page = verify_page(measured, judgement, "title")
    assert answer_of(page) == answer
    held = "suggested 0.1; the range test's 0.1 holds"
    colour = {held: GREEN_TEXT, "nothing was learnt: not judged": DARK}.get(answer, VERMILLION_TEXT)
    assert of(page.panels[1], Label)[-1].colour == colour
    assert_readable(page)


def test_the_pinned_rate_is_called_so_and_by_no_key_which_python_has_not():
    tried = candidates([0.01, 0.0333, 0.1, 0.3], 0.1, Role.PINNED, 0.1)
    measured = dataclasses.replace(trials([[1.5, 0.5, 0.2, 0.3]]), candidates=tried)
    page = verify_page(measured, judged(measured, pinned=2), "title")
    assert answer_of(page) == "suggested 0.1; the pinned 0.1 holds"
    assert "0.1, pinned: ends at 0.2" in [placed.entry.text for placed in page.entries]


def test_long_rates_leave_the_answer_room():
    lrs = [0.00162, 0.00344, 0.0123, 0.0876]
    tried = candidates(lrs, 0.00162, Role.SUGGESTION, 0.00344)
    measured = dataclasses.replace(trials([[1.5, 1.4, 0.5, 0.2]]), candidates=tried)
    page = verify_page(measured, judged(measured, checked=0, pinned=1), "title")
    said = "suggested 0.0876, 0.00344 is not sensible; the range test's 0.00162 does not hold"
    assert answer_of(page) == said
    assert_readable(page)


@pytest.mark.parametrize(
    ("lrs", "finals", "checked", "pinned"),
    [
        # A long entry of the key, which then has one column; a label of the search that is long.
        ([0.00123456, 0.00345678], [[INF, 0.5], [0.6, 0.5]], 0.00123456, 0.00123456),
        ([0.000111, 0.00123456, 0.00345678], [[1.5, 0.5, INF], [1.4, 0.6, 0.4]], 0.00123456, 0.00345678),
        # A label at the right end, and one rate alone.
        ([0.00123456], [[0.6], [0.7]], 0.00123456, 0.00123456),
        ([0.00123456, 0.00345678], [[0.5, INF], [0.6, 0.7]], 0.00123456, 0.00345678),
    ],
)
def test_with_long_rates_no_word_leaves_the_picture(lrs, finals, checked, pinned):
    tried = candidates(lrs, checked, Role.SUGGESTION, pinned)
    losses = np.linspace(2.0, 0.5, STEPS) * np.ones((len(lrs), 1))
    seeds = tuple(runs_of(i, 2.0, losses, row) for i, row in enumerate(finals))
    moves = tuple(Move(seed, lr, STEPS) for seed in range(len(finals)) for lr in lrs)
    measured = Trials(tried, STEPS, seeds, moves=moves)
    judgement = judged(measured, checked=lrs.index(checked), pinned=lrs.index(pinned))
    page = verify_page(measured, judgement, "title")
    assert_readable(page)
    training, _, search = [box for _, box in page.frames]
    assert training[0] == search[0] == pytest.approx(page.left / page.size[0])


def test_what_was_cut_off_or_never_begun_can_be_drawn_and_written():
    cut = trials([[1.5, NAN, NAN, NAN]])
    page = verify_page(cut, None, "title")
    assert answer_of(page) == "interrupted: not judged"
    assert png(draw(page)).startswith(b"\x89PNG")
    nothing = verify_page(None, None, "title")
    assert (nothing.entries, nothing.panels) == ([], ())
    assert nothing.note == "Interrupted before the first run: no rate was trained."
    assert png(draw(nothing)).startswith(b"\x89PNG")
    assert verify_csv(None) == "lr,seed,step,loss,held_out_loss\n"
    never_finite = trials([[INF] * 4], start=NAN)
    never_finite.seeds[0].losses[:] = NAN
    assert png(draw(verify_page(never_finite, judged(never_finite), ""))).startswith(b"\x89PNG")
    none_whole = trials([])
    assert png(draw(verify_page(none_whole, None, ""))).startswith(b"\x89PNG")
    assert verify_record(verified(none_whole, None, FLAT, plan=PLAN, pinned=0.2))["pinned"] == {
        "lr": 0.2,
        "sensible": None,
    }
    assert (
        verify_lines(verified(None, None, FLAT, plan=PLAN), [])
        == verify_lines(verified(cut, None, FLAT, plan=PLAN), [])[:-2]
    )


def test_of_runs_that_were_cut_off_before_any_end_there_is_no_panel_of_ends():
    measured = trials([[NAN, NAN, NAN, NAN]])
    measured.seeds[0].steps_taken[:] = [0, 40, 60, 0]
    moves = (Move(0, 0.0333, STEPS), Move(0, 0.1, STEPS))
    cut = dataclasses.replace(measured, moves=moves, cut_off=True, left=frozenset({0.0333}))
    page = verify_page(cut, None, "title")
    assert page.note == "Interrupted before a run came to its end: no rate is judged."
    assert [panel.y.label for panel in page.panels] == ["training loss, smoothed", "learning rate"]
    assert [panel.width for panel in page.panels] == [pytest.approx(page.inside)] * 2
    assert page.panels[0].x.ticks[-1] == 60  # as far as any run came
    entries = {placed.entry.text: placed.entry.sample.colour for placed in page.entries}
    assert "0.0333, searched: left after 40" in entries
    assert "0.1, the range test's: cut off after 60" in entries
    assert len(set(entries.values())) == len(entries)
    assert not any("before training" in text for text in entries)
    assert_readable(page)
    assert png(draw(page)).startswith(b"\x89PNG")


def test_panels_and_keys_lie_within_the_picture():
    for count in (0.01, 0.1):
        page = verify_page(trials([[1.5, 0.5, 0.2, 0.3][: 4 if count < 0.1 else 3]], config=count), None, "t")
        assert all(placed.middle > 0 for placed in page.entries)
        for _, (left, bottom, width, height) in page.frames:
            assert 0 < left < left + width <= 1
            assert 0 < bottom < bottom + height < 1


def test_csv_has_the_held_out_loss_before_the_first_step_and_after_the_last():
    lines = verify_csv(THREE).splitlines()
    assert lines[0] == "lr,seed,step,loss,held_out_loss"
    assert lines[1] == "0.01,5,0,2.0,2.0"
    assert lines[STEPS + 1] == f"0.01,5,{STEPS},,1.5"
    assert "0.3,5,9,inf," in lines
    assert "0.3,5,10,,inf" in lines
    assert len(lines) == 1 + 7 * (STEPS + 1) + 11


def test_a_run_that_was_interrupted_has_no_last_row():
    lines = verify_csv(trials([[1.5, NAN, NAN, NAN]])).splitlines()
    assert sum(line.split(",")[3] == "" for line in lines[1:]) == 1


def test_the_record_says_how_each_rate_ended():
    runs = verify_record(verified(THREE, judged(THREE), FLAT, plan=PLAN))["runs"]
    assert [run["status"] for run in runs] == ["completed", "completed", "completed", "diverged"]
    assert [run["loss"] for run in runs] == [
        pytest.approx(1.45),
        pytest.approx(0.55),
        pytest.approx(0.25),
        None,
    ]
    assert runs[2]["seeds"][1] == {"seed": 6, "start_loss": 2.0, "steps": STEPS, "loss": 0.3}
    assert runs[2]["worse_by"] == 0.0
    assert runs[2]["roles"] == ["suggestion"]


def test_the_screen_says_of_what_answer_the_drop_is_counted_from():
    blind = BlindAnswer(1.9, "a model that always answers the shares of the classes")
    measured = dataclasses.replace(trials([[1.5, 0.5, 0.2, 0.4]]), blind=blind)
    found = verified(measured, judged(measured, blind=blind), FLAT, plan=PLAN)
    text = " ".join(line.text for line in shown(verify_lines(found, [])))
    assert f"missing of the fall from that of {blind.what} to the lowest loss" in " ".join(text.split())


def test_the_screen_marks_the_rate_to_take():
    text = [line.text for line in shown(verify_lines(verified(THREE, judged(THREE), FLAT, plan=PLAN), []))]
    head = next(i for i, line in enumerate(text) if line.split()[:1] == ["lr"])
    assert text[head + 3].split() == ["*", "0.1", "2", "0.25", "0.071", "0.0%", "the", "range", "test's"]
    assert text[head + 4].split() == ["0.3", "2", "diverged", "54.3%", "searched"]
    assert text[head + 5].split() == ["2", "before", "training"]
    assert text[head + 6].startswith("worse by: the share that is missing of the fall")
    assert roles_text(candidates([0.1, 0.3], 0.1, Role.GIVEN, 0.1)[0]) == "given, pinned"
    of_refine = candidates([0.1], 0.1, Role.SUGGESTION, None)[0]
    assert [roles_text(of_refine, whose) for whose in ("refine", "")] == ["refine's", "given"]


def test_a_rate_that_was_given_up_is_told_in_the_same_words_on_the_screen_and_in_the_picture():
    measured = trials([[1.5, 0.5, 0.2, NAN]])
    measured.seeds[0].steps_taken[3] = 40
    text = [
        line.text for line in shown(verify_lines(verified(measured, judged(measured), FLAT, plan=PLAN), []))
    ]
    assert sum("given up after 40" in line for line in text) == 1
    entries = [placed.entry.text for placed in verify_page(measured, judged(measured), "").entries]
    assert "0.3, searched: given up after 40" in entries


def test_a_rate_that_was_left_for_want_of_steps_is_told_so_everywhere_and_not_judged():
    measured = dataclasses.replace(trials([[1.5, 0.5, NAN, 0.2]]), left=frozenset({0.1}), spent=True)
    measured.seeds[0].steps_taken[2] = 40
    judgement = judged(measured, left=[2])
    page = verify_page(measured, judgement, "")
    assert answer_of(page) == "suggested 0.3; the range test's 0.1 is not judged"
    assert of(page.panels[1], Label)[-1].colour == DARK
    assert "0.1, the range test's: left after 40" in [placed.entry.text for placed in page.entries]
    assert_readable(page)
    conclusion = conclude(measured, judgement)
    text = " ".join(
        line.text for line in shown(verify_lines(verified(measured, judgement, conclusion, plan=PLAN), []))
    )
    assert text.count("left after 40") == 2
    assert "given up" not in text
    record = verify_record(verified(measured, judgement, FLAT, plan=PLAN))
    assert (record["holds"], record["runs"][2]["status"]) == (None, "left")


def test_the_record_of_a_search_says_how_many_steps_were_made_where_it_was_cut_off():
    measured = trials([[NAN, 0.5, INF, NAN]])
    measured.seeds[0].steps_taken[0] = 70
    moves = (Move(0, 0.0333, STEPS), Move(0, 0.1, STEPS), Move(0, 0.01, STEPS))
    cut = dataclasses.replace(measured, moves=moves, cut_off=True)
    text = [line.text for line in shown(verify_lines(verified(cut, None, FLAT, plan=PLAN), []))]
    assert [line.split()[:5] for line in text if line.startswith("  ")] == [
        ["lr", "seeds", "held-out", "loss", "rate"],
        ["0.01", "cut", "off", "after", "70"],
        ["0.0333", "1", "0.5", "searched"],
        ["0.1", "1", "diverged", "the", "range"],
        ["0.3", "given", "up", "after", "10"],
        ["2", "before", "training"],
    ]
    record = verify_record(verified(cut, None, FLAT, plan=PLAN))
    made = [(move["lr"], move["from"], move["to"], move["loss"]) for move in record["search"]]
    assert made == [(0.0333, 0, STEPS, 0.5), (0.1, 0, 10, None), (0.01, 0, 70, None)]


def test_the_screen_says_that_rates_are_compared_on_the_seeds_of_both():
    measured = trials([[1.5, 0.5, 0.2, 0.3], [1.4, NAN, 1.0, 1.1]])
    judgement = judged(measured)
    # By the means of the table 0.0333 is lower by 0.1; on the seed of both it is higher by 0.3 of 1.4.
    assert judgement.means[1:3] == pytest.approx([0.5, 0.6])
    text = " ".join(
        line.text for line in shown(verify_lines(verified(measured, judgement, FLAT, plan=PLAN), []))
    )
    assert "21.4%" in text
    assert "compared on the seeds that both were trained on." in text


@pytest.mark.parametrize(
    ("final", "why"), [(1.9, "worse than 0.1 by 94% of the drop"), (INF, "it diverged"), (0.21, None)]
)
def test_the_screen_names_a_refused_rate_and_in_short_why(final, why):
    measured = trials([[1.5, 0.5, 0.2, 0.3, final]], pinned=1.0)
    judgement = judged(measured, pinned=4)
    conclusion = conclude(measured, judgement)
    text = [
        line.text for line in shown(verify_lines(verified(measured, judgement, conclusion, plan=PLAN), []))
    ]
    assert text.count(f"1 (verify.lr) is not sensible: {why}.") == (why is not None)
    assert ("not a sensible" in (conclusion.refusal or "")) is (why is not None)
    assert not any("not a sensible" in line for line in text)


def test_the_search_is_drawn_in_its_order_and_with_what_became_of_each_run():
    measured = trials([[1.5, 0.5, 0.2, INF], [NAN, 0.6, 0.3, 0.4]])
    moves = (Move(0, 0.1, STEPS), Move(0, 0.3, STEPS), Move(1, 0.1, STEPS), Move(1, 0.3, STEPS))
    page = verify_page(dataclasses.replace(measured, moves=moves), judged(measured), "")
    panel = page.panels[2]
    lines = of(panel, Line)
    # The second run diverged after 10 steps, and the other seed begins where it ended.
    assert [line.x.tolist() for line in lines] == [[0, 120], [120, 130], [130, 250], [250, 370]]
    assert [line.y[0] for line in lines] == [0.1, 0.3, 0.1, 0.3]
    assert [points.shape for points in of(panel, Points)] == [Shape.DOT, Shape.CROSS, Shape.DOT, Shape.DOT]
    (parting,) = of(panel, Marker)
    assert parting.at == 130
    assert png(draw(page)).startswith(b"\x89PNG")
