"""Every task of the truth benchmark is an ordinary experiment that composes, validates and builds."""

import pytest
import torch

from benchmarks.truth import pretrained
from benchmarks.truth.data import characters, digits_of
from benchmarks.truth.drawn import config_text, draw
from benchmarks.truth.models import CharTransformer, resnet18, zero_head_mlp
from benchmarks.truth.oracle import TOPS
from benchmarks.truth.tasks import (
    BLIND,
    CONFIGS,
    DRAWN,
    LARGE_TASKS,
    LONG,
    ONE_CYCLE,
    TASKS,
    Role,
    config_of,
    optimizer_kind,
    task_named,
)
from benchmarks.truth.training import Trainer


def test_every_experiment_is_a_task_and_every_task_an_experiment():
    assert {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")} == {*TASKS, *LARGE_TASKS}
    assert set(LONG) | set(ONE_CYCLE) <= set(TASKS)


def test_there_are_tasks_of_both_roles_and_of_every_optimizer():
    assert {task.role for task in TASKS.values()} == set(Role) - {Role.LARGE}
    assert {task.role for task in LARGE_TASKS.values()} == {Role.LARGE}
    assert {optimizer_kind(config_of(name)) for name in TASKS} == set(TOPS)  # composed here, kept for below


def test_the_blind_tasks_are_what_chance_drew_and_no_two_are_alike():
    *seen, last = draw(1), draw(2), draw(3), draw(4)
    first = [task for each in seen for task in each]
    assert [task.name for task in first] == list(DRAWN)
    assert [task.name for task in last] == list(BLIND)
    assert (len(DRAWN), len(BLIND)) == (42, 14)
    assert len({config_text(task).split("\n", 3)[3] for task in first + last}) == 56
    for task in first + last:
        assert TASKS[task.name].path.read_text() == config_text(task)


@pytest.mark.parametrize("name", [*TASKS, *LARGE_TASKS])
def test_an_experiment_opens_with_its_command_and_passes_the_door(name):
    command = f"# lrfind --config-dir benchmarks/truth/configs experiment={name}"
    assert task_named(name).path.read_text().splitlines()[1] == command
    config = config_of(name)
    assert optimizer_kind(config) in TOPS
    assert config.device == "cpu"


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """Where the pretrained starts of these tests are kept."""
    return tmp_path_factory.mktemp("starts")


@pytest.mark.parametrize("name", [*TASKS, *LARGE_TASKS])
def test_a_task_builds_and_holds_out_what_it_says(name, starts, monkeypatch):
    task = task_named(name)
    if task.lacks:
        pytest.skip(task.lacks)
    monkeypatch.setattr(pretrained, "STARTS", starts)
    if name in LARGE_TASKS:  # to train a ResNet takes a minute
        monkeypatch.setattr(pretrained, "_trained", lambda like, *_, **others: like.state_dict())
    built = Trainer(name).built(0, validation_samples=task.held_out)
    try:
        loss, _ = built.objective(next(built.batches))
        loss.backward()
        assert torch.isfinite(loss)
        assert sum(len(batch[0]) for batch in built.validation) == task.held_out
    finally:
        built.close()


def test_a_task_whose_data_is_not_there_says_what_it_lacks(monkeypatch, tmp_path):
    monkeypatch.setenv("LRFIND_DATA", str(tmp_path))
    assert "mnist" in TASKS["mnist_mlp_sgd"].lacks
    assert "dogbreed" in TASKS["dogs_cnn_adam"].lacks
    assert all("dogbreed" in task.lacks for name, task in LARGE_TASKS.items() if "dogs" in name)
    assert TASKS["digits_mlp_sgd"].lacks is None


def test_pieces_of_text_do_not_overlap_and_their_targets_follow():
    x, y = characters(length=8, every=True).dataset.tensors
    assert torch.equal(x[:, 1:], y[:, :-1])
    _, after = characters(length=8).dataset.tensors
    assert torch.equal(after, y[:, -1])


def test_classes_are_counted_anew_from_zero():
    data = digits_of([7, 5])
    assert sorted(data.labels.unique().tolist()) == [0, 1]
    (fives,) = digits_of([5]).dataset.tensors[:1]
    assert torch.equal(data.dataset.tensors[0][data.labels == 1], fives)


def test_the_transformer_does_not_see_what_follows():
    torch.manual_seed(0)
    model = CharTransformer(length=6).eval()
    x = torch.randint(0, 128, (2, 6))
    changed = x.clone()
    changed[:, 4:] = 0
    assert torch.allclose(model(x)[:, :, :4], model(changed)[:, :, :4])
    assert not torch.allclose(model(x)[:, :, 4:], model(changed)[:, :, 4:])


def test_a_residual_network_of_any_width_halves_the_picture_five_times():
    model = resnet18(width=4, num_outputs=3)
    assert model[:-3](torch.randn(2, 3, 64, 64)).shape == (2, 32, 2, 2)
    assert model(torch.randn(2, 3, 48, 48)).shape == (2, 3)
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in model.modules()) == 17 + 3  # 3 projections


def test_a_zero_head_begins_with_equal_scores():
    assert torch.equal(zero_head_mlp(sizes=[3, 4, 2])(torch.randn(5, 3)), torch.zeros(5, 2))


def test_a_pretrained_start_keeps_the_trunk_and_moves_no_random_stream(starts, monkeypatch):
    monkeypatch.setattr(pretrained, "STARTS", starts / "again")
    models, drawn = [], []
    for _ in range(2):  # trained, then read
        torch.manual_seed(3)
        models.append(pretrained.digits_mlp())
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)
    torch.manual_seed(4)
    other = pretrained.digits_mlp()
    assert torch.equal(other[1].weight, models[0][1].weight)
    assert not torch.equal(other[5].weight, models[0][5].weight)
