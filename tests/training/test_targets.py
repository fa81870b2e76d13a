"""The targets of the batches that a task meets, and the best blind answer for them."""

import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lrfind.training.blind_answer import UNKNOWN
from lrfind.training.objective import Objective
from lrfind.training.peers import Peers
from lrfind.training.targets import Targets

Y = torch.tensor([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]])
LABELS = torch.tensor([0, 0, 1, -100, 0, 2])


def met(criterion, batches, *, outputs=None):
    """What is known once batches of these targets have passed."""
    objective = Objective(nn.Linear(4, 2), criterion)
    objective.num_outputs = outputs
    targets = Targets(objective)
    assert targets.blind_answer() is UNKNOWN
    drawn = [
        (torch.zeros(len(batch), 4), batch) if isinstance(batch, torch.Tensor) else batch for batch in batches
    ]
    passed = list(targets.passing(iter(drawn)))
    assert all(one is other for one, other in zip(passed, drawn, strict=True))
    return targets.blind_answer()


@pytest.mark.parametrize("criterion", [nn.MSELoss(), functional.mse_loss])
def test_of_a_squared_error_it_is_the_mean_of_all_that_passed(criterion):
    found = met(criterion, Y.split(2))
    # Means 3 and 20: squares of 2, 0, 2 and of 10, 10, 20 over six numbers.
    assert found.loss == pytest.approx((4 + 0 + 4 + 100 + 100 + 400) / 6)
    assert found.by_batch == pytest.approx([(4 + 0 + 100 + 100) / 4, (4 + 400) / 2])
    assert found.what == "a model that always answers the mean of the targets"
    assert found.is_mean


@pytest.mark.parametrize(
    ("criterion", "batch"),
    [
        (nn.MSELoss(reduction="sum"), Y),
        (nn.L1Loss(), Y),
        (nn.MultiMarginLoss(), LABELS),
        (nn.CrossEntropyLoss(label_smoothing=0.9), LABELS),
        (functools.partial(functional.cross_entropy, reduction="sum"), LABELS),
        (lambda outputs, target: (outputs - target).mean(), Y),
        (None, Y),
        (nn.CrossEntropyLoss(), torch.full((4, 3), 1 / 3)),
        (nn.CrossEntropyLoss(), LABELS[3:4]),  # all are left out
        (nn.MSELoss(), {"target": Y}),
        (nn.MSELoss(), torch.tensor(1.0)),
        (nn.MSELoss(), Y[:1]),  # one target alone has no other mean
    ],
)
def test_it_is_not_known_where_the_criterion_or_its_target_does_not_tell(criterion, batch):
    assert not met(criterion, [(torch.zeros(1), batch)]).is_known


def test_samples_of_several_lengths_have_no_mean():
    assert not met(nn.MSELoss(), [torch.zeros(2, 3), torch.zeros(2, 4)]).is_known


@pytest.mark.parametrize(
    "criterion",
    [
        nn.CrossEntropyLoss(),
        nn.NLLLoss(),
        functional.cross_entropy,
        nn.CrossEntropyLoss(weight=torch.tensor([0.2, 1.0, 5.0])),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        functools.partial(
            functional.cross_entropy, weight=torch.tensor([0.2, 1.0, 5.0]), label_smoothing=0.3
        ),
    ],
)
def test_of_a_cross_entropy_no_same_scores_for_every_input_are_better(criterion):
    # With so few samples the shares of three classes are no surer than chance makes them.
    batches = [LABELS[:4], LABELS[4:], LABELS[1:3]]
    found = met(criterion, batches, outputs=3)
    scores = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    if isinstance(criterion, nn.Module):
        criterion.double()
    else:
        criterion = _in_double(criterion)
    sizes = [int((batch >= 0).sum()) for batch in batches]

    def losses():
        log_shares = scores.log_softmax(0)
        return [criterion(log_shares.expand(len(batch), 3), batch) for batch in batches]

    def loss():
        return sum(each * size for each, size in zip(losses(), sizes, strict=True)) / sum(sizes)

    optimizer = torch.optim.LBFGS([scores], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    assert found.loss == pytest.approx(float(loss().detach()), abs=1e-6)
    assert found.by_batch == pytest.approx([float(each.detach()) for each in losses()], abs=1e-3)


def _in_double(criterion):
    keywords = dict(getattr(criterion, "keywords", {}))
    if "weight" in keywords:
        keywords["weight"] = keywords["weight"].double()
    return functools.partial(getattr(criterion, "func", criterion), **keywords)


def test_smoothed_labels_have_shares_of_outputs_that_never_come():
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    few, many = (met(criterion, [LABELS], outputs=outputs).loss for outputs in (3, 30))
    assert few < many


def test_of_large_targets_the_first_samples_are_kept():
    labels = torch.zeros(4, 2**19, dtype=torch.long)
    labels[:2, ::4] = 1
    found = met(nn.CrossEntropyLoss(), [labels, labels + 7])
    assert found.loss == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
    assert len(found.by_batch) == 1
    assert not met(nn.MSELoss(), [torch.rand(1).expand(1, 2**20 + 1)]).is_known  # not one sample


def test_once_one_is_left_out_no_later_one_is_kept():
    large = torch.rand(2**20, 1)
    found = met(nn.MSELoss(), [Y[:, :1], large, Y[:, 1:]])
    assert found.loss == pytest.approx(float(Y[:, 0].var(correction=0)))


@pytest.mark.parametrize("others", [(0.0, 0.0), (5.0, 25.0)])
def test_where_others_who_run_the_same_do_not_know_theirs_it_is_known_to_none(others):
    class Unlike(Peers):
        def agree(self):
            pass

        def mean(self, values):
            return tuple((one + other) / 2 for one, other in zip(values, others, strict=True))

    targets = Targets(Objective(nn.Linear(4, 2), nn.MSELoss()))
    targets.meet((torch.zeros(3, 4), Y))
    assert targets.blind_answer(Unlike()) is UNKNOWN


@pytest.mark.parametrize(
    ("criterion", "known"),
    [
        (nn.BCEWithLogitsLoss(), True),
        (functional.binary_cross_entropy_with_logits, True),
        (nn.BCEWithLogitsLoss(pos_weight=torch.ones(3)), False),
        (nn.BCEWithLogitsLoss(weight=torch.ones(3)), False),
        (nn.BCELoss(), False),
    ],
)
def test_of_a_cross_entropy_of_yes_and_no_it_is_the_share_of_yes_of_each_output(criterion, known):
    yes = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    found = met(criterion, [yes[:1], yes[1:]])
    assert found.is_known is known
    if known:
        scores = torch.logit(yes.double().mean(0).clamp(1e-12, 1 - 1e-12)).expand(4, 3)
        assert found.loss == pytest.approx(float(criterion(scores, yes.double())))
        assert found.begins_near == pytest.approx(np.log(2))


def order_note(labels, size, criterion=None):
    """What is said of the order of labels in batches of a size."""
    targets = Targets(Objective(nn.Linear(4, 3), criterion or nn.CrossEntropyLoss()))
    assert targets.order_note() == ""
    list(targets.passing((torch.zeros(len(batch), 4), batch) for batch in labels.split(size)))
    return targets.order_note()


SORTED = torch.arange(10).repeat_interleave(100)
SEVERAL = "most of the first batches hold samples of one class alone, and there are 10: "


@pytest.mark.parametrize("size", [2, 16, 50])
def test_batches_of_one_class_each_are_told_of(size):
    note = order_note(SORTED, size)
    assert note.startswith(SEVERAL)
    assert note.endswith("Shuffle them: a DataLoader does with shuffle=True.")
    generator = torch.Generator().manual_seed(0)
    assert order_note(SORTED[torch.randperm(1000, generator=generator)], size) == ""


def test_batches_of_one_class_that_is_the_same_in_all_are_told_of():
    assert order_note(SORTED[:100], 20).startswith("all samples of the first batches are of class 0: ")
    assert order_note(SORTED[:100], 100) == ""  # of one batch there is no order


def test_the_chance_of_large_batches_may_be_less_than_any_number():
    labels = torch.arange(10).repeat_interleave(1024)
    assert 0.1**512 == 0
    assert order_note(labels, 512).startswith(SEVERAL)


def test_yes_and_no_have_an_order_and_labels_that_are_left_out_have_none():
    answers = (SORTED > 4).float()
    for target in (answers, answers[:, None], answers.bfloat16()):
        assert "and there are 2: " in order_note(target, 32, nn.BCEWithLogitsLoss())
    ignored = torch.where(torch.arange(1000) % 3 == 0, -100, SORTED)
    assert order_note(ignored, 20).startswith(SEVERAL)


@pytest.mark.parametrize("size", [2, 4, 16, 64])
def test_shuffled_samples_of_a_rare_class_are_not_told_as_sorted(size):
    for seed in range(20):
        rare = torch.rand(60 * size, generator=torch.Generator().manual_seed(seed)) < 0.05
        assert not rare.any() or order_note(rare.long(), size) == ""


@pytest.mark.parametrize(
    ("criterion", "labels", "size"),
    [
        (nn.MSELoss(), SORTED.float(), 20),
        (lambda outputs, target: outputs.mean(), SORTED, 20),
        (nn.CrossEntropyLoss(), SORTED, 1),
        (nn.CrossEntropyLoss(), torch.nn.functional.one_hot(SORTED).float(), 20),
        (nn.CrossEntropyLoss(), SORTED.reshape(-1, 10), 20),  # a class a word
        (nn.CrossEntropyLoss(), SORTED, 400),
    ],
)
def test_other_targets_and_batches_have_no_order_that_could_be_told(criterion, labels, size):
    assert order_note(labels, size, criterion) == ""
