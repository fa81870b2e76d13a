"""`from lrfind import compare`: what the command measures, on objects of one's own."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lrfind import UserError, compare
from lrfind.compare.config import CompareConfig
from tests.own_tasks import Bowl, Built
from tests.records import check_record


def loader(size):
    return DataLoader(TensorDataset(torch.zeros(40, 1, dtype=torch.float64)), batch_size=size, shuffle=True)


def on_bowl(**options):
    model = Bowl()
    optimizers = {rule: torch.optim.SGD(model.parameters(), lr=0.1, momentum=m) for rule, m in
                  (("sgd", 0.0), ("momentum", 0.5))}  # fmt: skip
    words = {"samples": 40, "readings": 2, "lrs": [0.1, 0.4], "seeds": 2, "stacked": False} | options
    loaders = {size: loader(size) for size in (4, 8)}
    return model, compare(model, optimizers, None, loaders, [torch.zeros(3, 1)], **words)


def test_the_losses_are_those_of_the_closed_form_and_all_is_put_back(tmp_path):
    model, found = on_bowl()
    cells = {(cell.optimizer, cell.batch_size): cell for cell in found.comparison.cells}
    assert set(cells) == {(name, size) for name in ("sgd", "momentum") for size in (4, 8)}
    for size in (4, 8):
        for run in cells["sgd", size].runs:
            for lr, losses in zip(run.lrs, run.readings, strict=True):
                assert losses.tolist() == pytest.approx([0.5 * (1 - lr) ** (2 * n) for n in run.read_at])
            assert run.read_at == (20 // size, 40 // size)
    assert found.suggestion.lr == 0.4
    assert model.w.item() == 1.0
    check_record(found.content)
    found.to_csv(tmp_path / "a.csv")
    found.to_json(tmp_path / "a.json")
    assert found.plot(tmp_path / "a.png").axes
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 2 * 2 * 2 * 2 * 2
    assert "lr=0.4" in repr(found)


def test_the_command_says_the_same_of_the_same_task(lrfind, tmp_path):
    words = ("compare.lrs=[0.05,0.2]", "compare.samples=640", "compare.readings=3", "compare.seeds=1",
             "compare.held_out=200", "compare.stacked=false", "compare.threads=1")  # fmt: skip
    ran = lrfind("compare", *words)
    assert ran.code == 0, ran.err
    own = Built("compare", *words, held_out=200, schema=CompareConfig)
    found = compare(*own.arguments, own.held_out, lrs=[0.05, 0.2], samples=640, readings=3, seeds=1,
                    stacked=False)  # fmt: skip
    found.to_csv(tmp_path / "own.csv")
    ours = [line.split(",") for line in (tmp_path / "own.csv").read_text().splitlines()]
    theirs = [line.split(",") for line in (ran.folder / "compare.csv").read_text().splitlines()]
    epoch = theirs[0].index("epoch")  # which a loader does not tell
    without = [[row[:epoch] + row[epoch + 1 :] for row in rows] for rows in (ours, theirs)]
    assert without[0] == without[1]
    assert found.suggestion.lr == ran.record["suggestion"]["lr"]
    assert found.content["rules"] == ran.record["rules"]


def test_rates_are_found_by_a_range_test_where_none_are_given():
    own = Built("compare", held_out=200, schema=CompareConfig)
    found = compare(*own.arguments, own.held_out, samples=320, num_lrs=3, readings=2, seeds=1)
    (cell,) = found.comparison.cells
    assert len(cell.lrs) == 3
    assert cell.batch_size == 64
    assert found.comparison.accuracies


def test_an_interrupt_is_passed_on_with_all_put_back():
    def stop(step):
        assert step.index >= 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_bowl(on_step=stop)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"lrs": [0.1, -1.0]}, "lrs must be finite numbers greater than 0"),
        ({"judge": "speed"}, "judge must be one of"),
        ({"on_step": 5}, "on_step must be a function that takes a step, or None, got 5"),
        ({"factor": 1.0}, "factor must be greater than 1"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(UserError, match=said):
        on_bowl(**options)


def test_a_loader_named_by_another_batch_size_is_refused():
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UserError, match="by the batch size 32, and that loader has batch_size=4"):
        compare(model, optimizer, None, {8: loader(8), 32: loader(4)}, [torch.zeros(3, 1)], samples=40)
