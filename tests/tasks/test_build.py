"""A task from a config: every key has the effect that it names."""

import gc
from contextlib import closing

import pytest
import torch
from hydra import compose, initialize_config_module

from lrfind.collector import collector_is_off, collector_off, collector_on
from lrfind.config.validate import validated
from lrfind.errors import DataError, ModelError
from lrfind.range_test.config import RangeConfig
from lrfind.range_test.sweeps import sweep_task
from lrfind.tasks.build import build


def config(*overrides):
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        return validated(compose(config_name="range", overrides=list(overrides)), RangeConfig)


def losses(*overrides, steps=25):
    made = config(*overrides, f"range.num_steps={steps}", "range.start_lr=0.001", "range.end_lr=0.1")
    task = build(made)
    with closing(task):
        return sweep_task(task, made.range, lambda step: None).losses.tolist()


PLAIN = losses()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "precision=bf16",
        "precision=fp16",
        "clip_grad_norm=0.01",
        "accumulation_steps=2",
        "batch_size=32",
        "optimizer=momentum",
        "optimizer.weight_decay=10",
        "model.hidden_sizes=[32]",
        "model.activation=tanh",
        "criterion.label_smoothing=0.5",
    ],
)
def test_a_key_changes_what_is_trained(override):
    assert losses(override) != PLAIN


@pytest.mark.parametrize(
    "override", ["seed=0", "clip_grad_norm=1e9", "accumulation_steps=1", "num_workers=0"]
)
def test_a_key_at_its_neutral_value_changes_nothing(override):
    assert losses(override) == PLAIN


def test_bf16_and_fp16_stay_near_fp32_and_only_fp16_has_a_scaler():
    for precision, has_scaler in (("fp32", False), ("bf16", False), ("fp16", True)):
        task = build(config(f"precision={precision}"))
        assert (task.scaler is not None) is has_scaler
        assert losses(f"precision={precision}") == pytest.approx(PLAIN, rel=0.02)


def test_accumulation_draws_its_batches_and_logs_their_mean():
    made = config("accumulation_steps=3", "range.num_steps=4", "range.start_lr=1e-30", "range.end_lr=1e-29")
    task, other = build(made), build(made)
    drawn = [next(other.batches) for _ in range(12)]
    logged = sweep_task(task, made.range, lambda step: None).losses
    with torch.no_grad():
        single = [other.objective(batch)[0].item() for batch in drawn]
    for step, loss in enumerate(logged):
        assert loss == pytest.approx(sum(single[3 * step : 3 * step + 3]) / 3, rel=1e-5)


def test_channels_last_reaches_the_convolutions_and_the_batches():
    task = build(config("model=cnn", "data.channels=3", "channels_last=true"))
    weights = [p for p in task.model.parameters() if p.ndim == 4 and p.shape[1] > 1]
    assert weights
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)
    images, labels = next(task.batches)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert not images.is_contiguous()
    assert labels.shape == (64,)


def test_compile_wraps_the_model(monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "compile", lambda model: seen.append(model) or model)
    task = build(config("compile=true"))
    assert seen == [task.model]


def test_deterministic_is_switched_on_and_off_again():
    build(config("deterministic=true"))
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.deterministic
    build(config())
    assert not torch.are_deterministic_algorithms_enabled()


def test_validation_is_set_apart_from_training_and_measured_every_so_often():
    made = config("range.validation.samples=100", "range.validation.every=7", "range.num_steps=20")
    task = build(made, validation_samples=100)
    assert sum(len(batch[1]) for batch in task.validation) == 100
    curve = sweep_task(task, made.range, lambda step: None)
    measured_at = [i for i, loss in enumerate(curve.validation_losses) if loss == loss]
    assert measured_at == [0, 7, 14]


def test_batches_drawn_afresh_leave_the_same_samples_out():
    task = build(config("batch_size=50"), validation_samples=100)
    apart = torch.cat([batch[0] for batch in task.validation]).flatten(1)
    stream = task.afresh()
    first = next(stream)
    assert torch.equal(first[0], next(task.batches)[0])
    drawn = torch.cat([first[0], *(next(stream)[0] for _ in range(task.per_epoch - 1))]).flatten(1)
    assert len(drawn) == 1650
    assert not (drawn[:, None] == apart[None]).all(2).any()


def test_a_model_that_cannot_be_moved_is_told_as_the_models_fault(monkeypatch):
    def refuse(self, *args, **kwargs):
        raise RuntimeError("stays here")

    monkeypatch.setattr("torch.nn.Sequential.to", refuse, raising=False)
    with pytest.raises(ModelError, match="cannot be moved to device=cpu: RuntimeError: stays here"):
        build(config())


def test_the_title_says_what_is_trained():
    assert build(config("optimizer=nesterov", "accumulation_steps=2")).title == (
        "mlp on digits, SGD (momentum 0.9, Nesterov), batch size 64 x 2"
    )


def test_labels_of_a_regression_by_counts_are_no_class_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counts_of_theirs.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "def data(): return TensorDataset(torch.randn(200, 3), torch.arange(200) % 42)\n"
        "def poisson(outputs, target): return torch.nn.functional.poisson_nll_loss(outputs[:, 0], target)\n"
    )
    made = config(
        "model.num_outputs=1", "data=custom", "data._target_=counts_of_theirs.data", "criterion=custom",
        "criterion._target_=counts_of_theirs.poisson", "+criterion._partial_=true",
        "trust=[counts_of_theirs]", "range.num_steps=5",
    )  # fmt: skip
    assert len(sweep_task(build(made), made.range, lambda step: None)) == 5
    wrong = config(
        "model.num_outputs=1",
        "data=custom",
        "data._target_=counts_of_theirs.data",
        "trust=[counts_of_theirs]",
    )
    task = build(wrong)
    with pytest.raises(DataError, match="labels go up to 41, and the model has 1 outputs"):
        task.objective(next(task.batches))


def test_garbage_is_collected_from_the_first_model_on():
    collector_off()
    try:
        with closing(build(config())) as task:
            assert gc.isenabled()
            assert not collector_is_off()
            assert any(each is task.model for each in gc.get_objects())
    finally:
        collector_on()
