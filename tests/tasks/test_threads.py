"""How many threads: by the operations of a forward pass, counted without computing or changing anything."""

import math

import pytest
import torch
from hydra import compose, initialize_config_module
from torch import nn
from torch.utils.data import TensorDataset

from lrfind.config.validate import validated
from lrfind.range_test.config import RangeConfig
from lrfind.tasks import threads
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.tasks.data.dataset import Data
from lrfind.tasks.threads import WORK_OF_A_THREAD, thread_count, threads_for, threads_of, work_of

PICTURES = Data(dataset=[], name="pictures", input_shape=(3, 8, 8))
TABLE = Data(dataset=[], name="a table", input_shape=(5,))
UNKNOWN = Data(dataset=[], name="anything")


@pytest.fixture(autouse=True)
def threads_put_back():
    with thread_count(torch.get_num_threads()):
        yield


@pytest.fixture
def many_cores(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 16)


@pytest.mark.parametrize(
    ("work", "most", "expected"),
    [
        (0, 16, 1),
        (WORK_OF_A_THREAD, 16, 1),
        (2 * WORK_OF_A_THREAD - 1, 16, 1),
        (2 * WORK_OF_A_THREAD, 16, 2),
        (7.5 * WORK_OF_A_THREAD, 16, 7),
        (100 * WORK_OF_A_THREAD, 16, 16),
        (100 * WORK_OF_A_THREAD, 1, 1),
    ],
)
def test_each_thread_has_enough_work(work, most, expected):
    assert threads_for(work, most) == expected


def test_a_dense_layer_has_two_operations_a_weight_and_sample():
    assert work_of(nn.Linear(5, 7), TABLE, 32) == 2 * 32 * 5 * 7


def test_a_compiled_model_is_counted_without_being_compiled():
    def refused(graph, inputs):
        raise AssertionError("it was compiled")

    layer = nn.Conv2d(3, 4, 3, padding=1)
    assert work_of(torch.compile(layer, backend=refused), PICTURES, 16) == work_of(layer, PICTURES, 16)


def test_a_convolution_has_two_operations_a_weight_and_place():
    layer = nn.Conv2d(3, 4, 3, padding=1)
    assert work_of(layer, PICTURES, 16) == 2 * 16 * (8 * 8) * (4 * 3 * 3 * 3)


def test_tensors_of_ones_own_say_their_shape():
    data = Data(dataset=TensorDataset(torch.zeros(10, 5), torch.zeros(10)), name="own")
    assert work_of(nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 1)), data, 4) == 2 * 4 * (5 * 7 + 7)


class Particular(nn.Linear):
    """A model that looks into its inputs."""

    def forward(self, inputs):
        if inputs.sum() > 0:
            raise AssertionError("never reached")
        return super().forward(inputs)


@pytest.mark.parametrize(("model", "data"), [(nn.Linear(5, 7), UNKNOWN), (Particular(5, 7), TABLE)])
def test_what_cannot_be_tried_counts_as_dense(model, data):
    assert work_of(model, data, 32) == 2 * 32 * 5 * 7


class Counting(nn.Module):
    """A model with all that a forward pass may change."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.layers = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5))

    def forward(self, inputs):
        self.calls += 1
        return self.layers(inputs)


def test_counting_changes_nothing():
    model = Counting()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stream = torch.get_rng_state()
    assert work_of(model, PICTURES, 4) == 2 * 4 * 64 * 6
    assert model.calls == 0
    assert model.training
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_number_that_is_given_is_taken(many_cores):
    assert threads_of(3, nn.Linear(5, 7), TABLE, 32) == 3


def test_small_work_has_one_thread_and_large_work_all(many_cores):
    small, large = nn.Linear(5, 7), nn.Linear(5, 2**20)
    assert threads_of("auto", small, TABLE, 32) == 1
    batch = math.ceil(16 * WORK_OF_A_THREAD / (2 * 5 * 2**20))
    assert threads_of("auto", large, TABLE, batch) == 16


@pytest.mark.parametrize(("threads_key", "expected"), [("auto", 1), (2, 2)])
def test_a_task_is_trained_with_them(threads_key, expected, many_cores):
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        config = validated(compose(config_name="range", overrides=[f"threads={threads_key}"]), RangeConfig)
    torch.set_num_threads(4)
    with ConfigTasks(config)(0):
        assert torch.get_num_threads() == expected
