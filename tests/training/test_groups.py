"""An optimizer's groups: names, sizes, what they share, the ratio of their rates."""

import torch
from torch import nn

from lrfind.suggestion import Suggestion
from lrfind.training.groups import groups_of

MODEL = nn.Sequential(
    nn.ModuleDict({"body": nn.Linear(3, 4), "norm": nn.LayerNorm(4)}), nn.Linear(4, 2), nn.Linear(2, 1)
)
BODY, HEAD, LAST = MODEL[0], MODEL[1], MODEL[2]


def groups(*given, **others):
    return groups_of(MODEL, torch.optim.SGD([dict(group) for group in given], lr=0.1, **others))


def test_one_group_is_nothing_to_report():
    assert groups({"params": MODEL.parameters()}) == ()


def test_groups_have_the_name_that_the_optimizer_has_or_their_number():
    found = groups({"params": BODY.parameters(), "name": "backbone"}, {"params": HEAD.parameters(), "lr": 1})
    assert [group.name for group in found] == ["backbone", "group 1"]
    assert [group.parameters for group in found] == [3 * 4 + 4 + 4 + 4, 4 * 2 + 2]
    assert [group.prefix for group in found] == ["0", "1"]
    assert [group.ratio for group in found] == [0.1, 1.0]


def test_what_shares_no_part_of_its_name_has_no_prefix_and_a_name_of_spaces_is_none():
    found = groups(
        {"params": [BODY["body"].weight, HEAD.weight], "name": " "},
        {"params": [BODY["body"].bias, BODY["norm"].bias], "name": 3},
        {"params": LAST.parameters()},
    )
    assert [group.name for group in found] == ["group 0", "group 1", "group 2"]
    assert [group.prefix for group in found] == [None, "0", "2"]


def split(**others):
    """The groups of a Trainer: what is multiplied, and what is added."""
    weights = [each for each in MODEL.parameters() if each.ndim > 1]
    rest = [each for each in MODEL.parameters() if each.ndim < 2]
    return groups({"params": weights, **others}, {"params": rest, "weight_decay": 0.0})


def test_groups_that_no_prefix_tells_apart_are_named_by_their_weight_decay():
    found = split(weight_decay=0.01)
    assert [(group.name, group.prefix) for group in found] == [
        ("weight decay 0.01", None),
        ("no weight decay", None),
    ]


def test_or_by_what_their_parameters_are():
    assert [group.name for group in split()] == ["weights", "biases and norms"]


def test_groups_of_a_block_are_named_with_the_block():
    blocks = nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)) for _ in range(2))
    given = [
        {"params": [each for each in block.parameters() if (each.ndim > 1) is decays], "weight_decay": decay}
        for block in blocks
        for decays, decay in ((True, 0.1), (False, 0.0))
    ]
    found = groups_of(blocks, torch.optim.AdamW(given))
    assert [(group.name, group.prefix) for group in found] == [
        ("0, weight decay 0.1", "0"),
        ("0, no weight decay", "0"),
        ("1, weight decay 0.1", "1"),
        ("1, no weight decay", "1"),
    ]


def test_groups_that_nothing_tells_apart_keep_their_number():
    found = groups({"params": [BODY["body"].weight, HEAD.bias]}, {"params": [BODY["body"].bias, HEAD.weight]})
    assert [group.name for group in found] == ["group 0", "group 1"]


def test_what_is_frozen_is_not_counted():
    frozen = nn.Linear(2, 2).requires_grad_(False)
    model = nn.Sequential(frozen, nn.Linear(2, 1))
    given = [{"params": model[0].parameters()}, {"params": model[1].parameters()}]
    found = groups_of(model, torch.optim.SGD(given, lr=0.1))
    assert [(group.parameters, group.prefix) for group in found] == [(0, None), (3, "1")]


def test_wrappers_leave_no_trace_in_the_prefix():
    class DistributedLike(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = MODEL

    optimizer = torch.optim.SGD([{"params": BODY.parameters()}, {"params": HEAD.parameters()}], lr=0.1)
    assert [group.prefix for group in groups_of(DistributedLike(), optimizer)] == ["0", "1"]


def test_groups_follow_a_suggestion_by_their_ratio():
    slow, fast = groups({"params": BODY.parameters(), "lr": 0.025}, {"params": HEAD.parameters()})
    found = Suggestion(0.4, 0.2, 0.8, "centre", "It falls.")
    assert (slow.following(found).lr, slow.following(found).low, slow.following(found).high) == (
        0.1,
        0.05,
        0.2,
    )
    assert fast.following(found).lr == 0.4
    assert slow.following(None).lr is None
