"""How a batch meets the model, and what is said where it cannot."""

from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lrfind.errors import BatchError, ConfigError, DataError, DeviceError
from lrfind.training.objective import Objective
from lrfind.training.step_errors import explained, out_of_memory

X = torch.arange(12.0).reshape(4, 3) / 10
Y = torch.tensor([0, 1, 1, 0])
Pair = namedtuple("Pair", ["inputs", "target"])


def linear(outputs=2):
    torch.manual_seed(0)
    return nn.Linear(3, outputs)


def returning(value):
    """A model that returns that, whatever it is called with."""

    class Model(nn.Module):
        def forward(self, *args, **kwargs):
            return value

    return Model()


@pytest.mark.parametrize("batch", [(X, Y), [X, Y], Pair(X, Y), (X, Y, "name", torch.zeros(9))])
def test_a_sequence_is_inputs_and_target(batch):
    model = linear()
    loss, accuracy = Objective(model, nn.CrossEntropyLoss())(batch)
    assert loss.item() == nn.functional.cross_entropy(model(X), Y).item()
    assert loss.shape == ()
    assert accuracy is None


def test_inputs_may_be_nested():
    class Two(nn.Module):
        def forward(self, inputs):
            return inputs[0] + inputs["b"] if isinstance(inputs, dict) else inputs[0] + inputs[1]

    loss, _ = Objective(Two(), nn.MSELoss())(((X, X), 2 * X))
    assert loss.item() == 0.0


def test_a_mapping_goes_whole_to_model_and_criterion():
    class Model(nn.Module):
        def forward(self, batch):
            return batch["x"] * 2

    seen = []

    def criterion(outputs, batch):
        seen.append(batch)
        return (outputs - batch["y"]).sum()

    batch = {"x": X, "y": X}
    loss, _ = Objective(Model(), criterion)(batch)
    assert loss.item() == X.sum().item()
    assert seen[0] is batch


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.tensor(1.5), 1.5),
        (SimpleNamespace(loss=torch.tensor(2.5)), 2.5),
        ({"loss": torch.tensor(3.5), "logits": X}, 3.5),
        (torch.tensor([1.0, 2.0, 6.0]), 3.0),
        (SimpleNamespace(loss=torch.tensor([1.0, 3.0])), 2.0),
        ({"loss": torch.tensor([[4.0]])}, 4.0),
    ],
)
def test_the_model_may_return_its_loss_in_any_of_these(value, expected):
    loss, accuracy = Objective(returning(value), None)((X, Y))
    assert (loss.item(), loss.shape, accuracy) == (expected, (), None)


@pytest.mark.parametrize(
    ("batch", "args", "kwargs"),
    [
        ({"x": 1, "y": 2}, (), {"x": 1, "y": 2}),
        ((1, 2, 3), (1, 2, 3), {}),
        ([1, 2], (1, 2), {}),
        (X, (X,), {}),
    ],
)
def test_a_model_that_returns_its_loss_gets_the_whole_batch(batch, args, kwargs):
    seen = []

    class Model(nn.Module):
        def forward(self, *args, **kwargs):
            seen.append((args, kwargs))
            return torch.tensor(1.0)

    Objective(Model(), None)(batch)
    assert seen == [(args, kwargs)]


@pytest.mark.parametrize(
    "value", [None, 3.0, (torch.tensor(1.0),), {"logits": X}, SimpleNamespace(loss=None)]
)
def test_a_model_that_returns_no_loss_is_explained(value):
    with pytest.raises(BatchError, match="criterion=None: the model must return its loss"):
        Objective(returning(value), None)((X, Y))


def test_forward_replaces_the_call_of_the_model():
    model = linear()
    batch = SimpleNamespace(x=X, y=Y)
    loss, _ = Objective(model, None, forward=lambda m, b: nn.functional.cross_entropy(m(b.x), b.y))(batch)
    assert loss.item() == nn.functional.cross_entropy(model(X), Y).item()
    loss, _ = Objective(model, nn.CrossEntropyLoss(), forward=lambda m, b: m(b[0] * 2))((X, Y))
    assert loss.item() == nn.functional.cross_entropy(model(X * 2), Y).item()


def test_a_criterion_with_one_number_and_axes_is_taken():
    loss, _ = Objective(linear(1), lambda outputs, target: outputs.mean().reshape(1, 1))((X, Y))
    assert loss.shape == ()


# --- outputs and classes


@pytest.mark.parametrize(
    ("outputs", "classes", "said"),
    [
        (3, 3, None),
        (3, None, None),
        (5, 3, "5 outputs, and the data 3 classes"),
        (3, 4, "have 4 classes"),
    ],
)
def test_a_number_of_outputs_that_is_not_that_of_the_classes_is_told_once(outputs, classes, said):
    notes = []
    objective = Objective(linear(outputs), nn.CrossEntropyLoss(), num_classes=classes, on_note=notes.append)
    objective((X, Y))
    objective((X, Y))
    assert len(notes) == (said is not None)
    assert all(said in note for note in notes)


def test_a_loss_without_classes_says_nothing_of_outputs():
    notes = []
    Objective(linear(3), nn.MSELoss(), num_classes=1, on_note=notes.append)((X, torch.zeros(len(X), 3)))
    assert notes == []


def fixed_outputs(*rows, dtype=torch.float32):
    return returning(torch.tensor(rows * (len(Y) // len(rows)), dtype=dtype))


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(linear(), nn.Softmax(1)),
        nn.Sequential(linear(), nn.Softmax(1), nn.Hardtanh()),
        fixed_outputs((0.25, 0.75), (1.0, 0.0)),
        fixed_outputs((0.30078125, 0.703125), dtype=torch.bfloat16),
        nn.Sequential(nn.Unflatten(1, (3, 1)), nn.Softmax(1)),
    ],
)
@pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss(), nn.functional.cross_entropy])
def test_a_softmax_before_a_cross_entropy_is_told_once(model, criterion):
    notes = []
    batch = (X, Y) if model(X).ndim == 2 else (X, Y[:, None])
    objective = Objective(model, criterion, on_note=notes.append)
    objective(batch)
    objective(batch)
    (note,) = notes
    classes = model(X).shape[1]
    least = nn.functional.cross_entropy(torch.eye(classes)[:1], torch.tensor([0]))
    assert f"no sample's loss comes below {least:.3g}" in note
    assert note.endswith("Leave the softmax out of the model.")


@pytest.mark.parametrize(
    ("model", "criterion"),
    [
        (linear(), nn.CrossEntropyLoss()),
        (nn.Sequential(linear(), nn.LogSoftmax(1)), nn.CrossEntropyLoss()),
        (nn.Sequential(linear(), nn.Sigmoid()), nn.CrossEntropyLoss()),
        (nn.Sequential(linear(), nn.ReLU()), nn.CrossEntropyLoss()),
        (fixed_outputs((0.25, 0.75), (0.5, 0.6)), nn.CrossEntropyLoss()),
        (fixed_outputs((-0.25, 1.25)), nn.CrossEntropyLoss()),
        (fixed_outputs((0.0, 0.0)), nn.CrossEntropyLoss()),
        (fixed_outputs((float("nan"), 1.0)), nn.CrossEntropyLoss()),
        (nn.Sequential(linear(), nn.LogSoftmax(1)), nn.NLLLoss()),
        (nn.Sequential(linear(), nn.Softmax(1)), nn.MultiMarginLoss()),
        (nn.Sequential(linear(), nn.Softmax(1)), lambda outputs, target: outputs.mean()),
    ],
)
def test_other_outputs_and_losses_are_no_softmax_too_many(model, criterion):
    notes = []
    Objective(model, criterion, on_note=notes.append)((X, Y))
    assert notes == []


# --- what cannot be


@pytest.mark.parametrize(
    ("model", "criterion", "batch", "message"),
    [
        (
            linear(),
            nn.CrossEntropyLoss(),
            (torch.zeros(4, 7), Y),
            r"^model: .*\(4, 7\) \(float32\).*A layer takes 3",
        ),
        (
            linear(),
            nn.CrossEntropyLoss(),
            (X, Y[:3]),
            r"^criterion: .*\(4, 2\) \(float32\).*\(3,\) \(int64\)",
        ),
        (
            linear(),
            nn.CrossEntropyLoss(reduction="none"),
            (X, Y),
            r"one number a batch.*\(4,\).*reduction='mean'",
        ),
        (linear(), lambda o, t: 3.0, (X, Y), "criterion must return a tensor, and returned float"),
        (linear(), nn.CrossEntropyLoss(), (X,), r"holds no target.*\(4, 3\).*criterion=None"),
        (linear(), nn.CrossEntropyLoss(), [X], "holds no target"),
        (linear(), nn.CrossEntropyLoss(), X, r"must be a tuple \(inputs, target, ...\) or a dict.*\(4, 3\)"),
        (linear(), nn.CrossEntropyLoss(), (), "must be a tuple"),
        (linear(), nn.CrossEntropyLoss(), "xy", "must be a tuple.*is str"),
        (
            linear(),
            nn.CrossEntropyLoss(),
            {"x": X},
            r"^model: .*\{x: shape \(4, 3\) \(float32\)\}: TypeError",
        ),
        (linear(), None, {"x": X}, "^model: .*unexpected keyword argument 'x'"),
    ],
)
def test_a_batch_that_cannot_be_taken_is_explained_with_its_shapes(model, criterion, batch, message):
    with pytest.raises(BatchError, match=message) as caught:
        Objective(model, criterion)(batch)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("criterion", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.functional.mse_loss])
def test_a_regression_of_the_wrong_width_is_explained(criterion):
    with pytest.raises(
        BatchError, match=r"outputs of shape \(4, 2\) .* target of shape \(4, 3\).* as many outputs"
    ):
        Objective(linear(), criterion)((X, X))


@pytest.mark.parametrize("criterion", [nn.MSELoss(), nn.SmoothL1Loss(), nn.BCEWithLogitsLoss()])
def test_class_labels_where_numbers_are_compared_are_called_so(criterion):
    said = (
        r"of shape \(4, 2\) .* \(4,\) \(int64\).* class labels\. Use torch\.nn\.CrossEntropyLoss for them\.$"
    )
    with pytest.raises(BatchError, match=said):
        Objective(linear(), criterion)((X, Y))


def test_numbers_that_torch_would_repeat_to_the_same_shape_are_refused():
    # (4, 1) against (4,) would be sixteen differences, with no error.
    with pytest.raises(BatchError, match=r"shapes are not the same\. .* target\.reshape\(-1, 1\)\.$"):
        Objective(linear(1), nn.MSELoss())((X, torch.zeros(4)))
    loss, _ = Objective(linear(1), nn.MSELoss())((X, torch.zeros(4, 1)))
    assert torch.isfinite(loss)


def test_cross_entropy_of_one_output_is_refused():
    with pytest.raises(
        BatchError, match=r"the model has one output, with which it is always 0\. Use torch\.nn\.MSE"
    ):
        Objective(linear(1), nn.CrossEntropyLoss())((X, torch.zeros(4, 1)))


def test_outputs_that_have_an_axis_too_many_are_not_taken_for_one_output():
    with pytest.raises(
        BatchError, match=r"second axis of the outputs, which is 1 in shape \(4, 1, 8, 2\).*Flatten"
    ):
        Objective(nn.Linear(8, 2), nn.CrossEntropyLoss())((torch.zeros(4, 1, 8, 8), Y))


def test_a_label_outside_the_outputs_is_refused_before_the_loss_is_computed():
    class Never(nn.CrossEntropyLoss):
        def forward(self, outputs, target):
            raise AssertionError("the criterion was called")

    objective = Objective(linear(), Never(), highest_label=5)
    with pytest.raises(
        DataError, match=r"labels go up to 5, and the model has 2 outputs.*labels 0 to 1.*6 outputs"
    ):
        objective((X, Y))


@pytest.mark.parametrize(
    ("target", "highest"), [(Y, 1), (Y.float().reshape(4, 1).repeat(1, 2), 9), (Y[:, None].repeat(1, 2), 9)]
)
def test_labels_inside_the_outputs_and_targets_that_are_no_labels_pass(target, highest):
    loss, _ = Objective(linear(), lambda o, t: o.sum(), highest_label=highest)((X, target))
    assert torch.isfinite(loss)


def test_memory_that_runs_out_is_said_with_what_to_try():
    class Greedy(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore lines")

    with pytest.raises(
        DeviceError, match=r"^the device ran out of memory .*\(4, 3\).*smaller batches.*Tried to allocate"
    ) as caught:
        Objective(Greedy(), nn.CrossEntropyLoss())((X, Y))
    assert "\n" not in str(caught.value)


def test_memory_of_the_machine_counts_as_memory():
    error = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")
    assert out_of_memory(error)
    assert not out_of_memory(RuntimeError("shape mismatch"))


def test_a_failure_of_the_compiler_is_laid_to_it():
    error = type("Unsupported", (Exception,), {"__module__": "torch._dynamo.exc"})("graph break")
    explanation = explained(error, "model", (X, Y))
    assert isinstance(explanation, ConfigError)
    assert "torch.compile failed: graph break" in str(explanation)


def test_an_error_without_words_is_named():
    assert "ZeroDivisionError()" in str(explained(ZeroDivisionError(), "model", (X, Y)))


def test_an_error_of_ours_and_an_interrupt_pass_through():
    def ours(outputs, target):
        raise DataError("data: no such file")

    def interrupt(outputs, target):
        raise KeyboardInterrupt

    with pytest.raises(DataError, match=r"^data: no such file$"):
        Objective(linear(), ours)((X, Y))
    with pytest.raises(KeyboardInterrupt):
        Objective(linear(), interrupt)((X, Y))


# --- accuracy


def test_accuracy_is_the_share_of_right_answers():
    outputs = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [1.0, 0.0]])
    objective = Objective(nn.Identity(), nn.CrossEntropyLoss(), accuracy=True)
    assert objective((outputs, Y))[1].item() == 0.75


def test_accuracy_of_pictures_counts_pixels():
    outputs = torch.zeros(2, 3, 4, 4)
    outputs[:, 1] = 1
    target = torch.ones(2, 4, 4, dtype=torch.long)
    target[0] = 2
    assert Objective(nn.Identity(), nn.CrossEntropyLoss(), accuracy=True)((outputs, target))[1].item() == 0.5


@pytest.mark.parametrize("target", [X[:, :2], Y.reshape(4, 1), Y.float()])
def test_accuracy_without_scores_and_labels_is_refused(target):
    objective = Objective(nn.Identity(), lambda o, t: o.sum(), accuracy=True)
    with pytest.raises(BatchError, match=r"metric='accuracy' needs one score a class.*metric='loss'"):
        objective((X[:, :2], target))


def test_accuracy_of_a_dict_is_refused():
    objective = Objective(nn.Identity(), lambda o, t: t["x"].sum(), accuracy=True)
    with pytest.raises(BatchError, match="metric='accuracy'"):
        objective({"x": X})


@pytest.mark.parametrize("key", ["labels", "label"])
@pytest.mark.parametrize("form", [dict, lambda **given: SimpleNamespace(**given)])
def test_accuracy_without_a_criterion_is_that_of_the_logits_beside_the_loss(key, form):
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, 5.0]])
    model = returning(form(loss=torch.tensor(1.5), logits=logits))
    labels = torch.tensor([0, 1, 1, 1])
    loss, right = Objective(model, None, forward=lambda m, b: m(0), accuracy=True)({key: labels})
    assert (loss.item(), right.item()) == (1.5, 0.75)
    _, right = Objective(model, None, accuracy=True)((0, labels))
    assert right.item() == 0.75


@pytest.mark.parametrize(
    ("returned", "batch", "message"),
    [
        ({"loss": torch.tensor(1.0)}, (X, Y), "needs scores and labels.*criterion=None.*metric='loss'"),
        ({"loss": torch.tensor(1.0), "logits": X}, (X,), "needs scores and labels"),
        ({"loss": torch.tensor(1.0), "logits": torch.zeros(4, 3, 2)}, (X, Y), "one score a class and sample"),
        ({"loss": torch.tensor(1.0), "logits": X}, (X, X), "needs one score a class and integer labels"),
    ],
)
def test_accuracy_without_scores_or_labels_is_refused(returned, batch, message):
    with pytest.raises(BatchError, match=rf"^metric='accuracy'.*{message}"):
        Objective(returning(returned), None, forward=lambda m, b: m(b[0]), accuracy=True)(batch)


def test_autocast_covers_model_and_criterion():
    seen = []

    def criterion(outputs, target):
        seen.append((outputs.dtype, torch.is_autocast_enabled("cpu")))
        return outputs.float().mean()

    Objective(linear(), criterion, autocast=lambda: torch.autocast("cpu", dtype=torch.bfloat16))((X, Y))
    assert seen == [(torch.bfloat16, True)]
    assert not torch.is_autocast_enabled("cpu")


def test_a_label_that_is_ignored_is_no_label_outside_the_outputs():
    model = nn.Linear(3, 2)
    criterion = nn.CrossEntropyLoss(ignore_index=255)
    objective = Objective(model, criterion, highest_label=255)
    loss, _ = objective((torch.randn(4, 3), torch.tensor([0, 1, 255, 1])))
    assert torch.isfinite(loss)


def test_nll_of_what_is_no_log_probability_is_refused():
    objective = Objective(nn.Linear(3, 2), nn.NLLLoss())
    with pytest.raises(BatchError, match=r"nll takes log-probabilities.*torch\.nn\.CrossEntropyLoss"):
        objective((10 * torch.ones(4, 3) * objective.model.weight.sign()[0], torch.tensor([0, 1, 0, 1])))


def test_a_negative_label_is_refused_before_the_loss():
    objective = Objective(nn.Linear(3, 2), nn.CrossEntropyLoss())
    with pytest.raises(DataError, match="there is a label -1; labels must lie in 0 to 1"):
        objective((torch.randn(2, 3), torch.tensor([0, -1])))


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5)])
def test_the_number_of_outputs_is_known_from_the_first_loss_on(shape):
    objective = Objective(returning(torch.zeros(shape)), nn.CrossEntropyLoss())
    assert objective.num_outputs is None
    objective((X, torch.zeros(shape[0], *shape[2:], dtype=torch.long)))
    assert objective.num_outputs == 3
