"""The best answer that does not look at the inputs."""

import math

import numpy as np
import pytest

from lrfind.training.blind_answer import UNKNOWN, BlindAnswer
from lrfind.training.peers import Peers


def test_the_shares_of_a_sample_do_not_pass_for_those_that_it_was_drawn_from():
    stream = np.random.default_rng(0)
    shares = np.array([0.5, *[0.005] * 100])
    entropy = -(shares @ np.log(shares))
    found, drawn_too_low = [], 0
    for _ in range(200):
        labels = stream.choice(101, size=300, p=shares)
        met = np.bincount(labels, minlength=101) / 300
        own = -(met[met > 0] @ np.log(met[met > 0]))
        level = BlindAnswer.of_classes([labels], weights=np.ones(101)).loss
        assert own < level
        found.append((own, level))
        drawn_too_low += level > -(met @ np.log(shares))
    own, level = np.mean(found, axis=0)
    assert entropy - own > 0.1  # so much lower are the shares of a sample
    assert abs(entropy - level) < 0.6 * (entropy - own)
    assert drawn_too_low <= 20  # hardly ever above what the true shares have on the same sample


def test_of_two_classes_and_many_samples_it_is_their_entropy():
    labels = np.repeat([0, 1], [950, 50])
    entropy = -(0.95 * math.log(0.95) + 0.05 * math.log(0.05))
    assert BlindAnswer.of_classes([labels], weights=np.ones(2)).loss == pytest.approx(entropy)


def test_one_class_alone_tells_nothing():
    assert not BlindAnswer.of_classes([np.zeros(8, dtype=np.int64)], weights=np.ones(2)).is_known
    assert not BlindAnswer.of_numbers([np.full((8, 1), 3.0)]).is_known


class Both(Peers):
    """Two who run the same, of whom this one has the others' values."""

    def __init__(self, *others):
        self.others = iter(others)

    def agree(self):
        pass

    def mean(self, values):
        return tuple((one + other) / 2 for one, other in zip(values, next(self.others), strict=True))


def test_all_who_run_the_same_have_the_answer_that_is_best_for_all():
    whole = BlindAnswer.of_numbers([np.array([[1.0], [3.0], [5.0], [5.0]])])
    # The other has 5 and 5, whose mean is 5, and whose squares about 3.5 are 2.25.
    assert BlindAnswer.of_numbers([np.array([[1.0], [3.0]])], Both([5.0], [2.25])).loss == whole.loss
    labels = np.array([0, 0, 0, 1]), np.array([1, 1, 1, 1])
    whole = BlindAnswer.of_classes([np.concatenate(labels)], weights=np.ones(2))
    part = BlindAnswer.of_classes(
        labels[:1], weights=np.ones(2), peers=Both([0.0, 1.0], [whole.loss], [whole.begins_near])
    )
    assert (part.loss, part.begins_near) == pytest.approx((whole.loss, whole.begins_near))


def test_losses_that_chance_alone_brings_below_it_do_not_beat_it():
    stream = np.random.default_rng(0)
    looked_lower = passed = 0
    for _ in range(200):
        batches = [(stream.random(8) < 0.1).astype(np.int64) for _ in range(60)]
        blind = BlindAnswer.of_classes(batches, weights=np.ones(2))
        # Who answers as the last two batches had it knows nothing of the next.
        shares = [np.mean(np.concatenate(batches[max(0, i - 2) : i] or [[0.1]])) for i in range(60)]
        shares = np.clip(shares, 0.02, 0.98)
        losses = [-np.log(np.where(y == 1, p, 1 - p)).mean() for y, p in zip(batches, shares, strict=True)]
        looked_lower += np.convolve(losses, np.ones(6) / 6, "valid").min() < 0.8 * blind.loss
        passed += blind.is_beaten_by(np.array(losses))
    assert looked_lower > 100
    assert passed <= 4


def test_losses_that_are_lower_on_the_same_batches_beat_it():
    stream = np.random.default_rng(0)
    batches = [stream.normal(size=(8, 1)) for _ in range(60)]
    blind = BlindAnswer.of_numbers(batches)
    learnt = np.linspace(0, 0.4, 60)  # of every target, at the end
    losses = np.array([np.square((1 - share) * y).mean() for share, y in zip(learnt, batches, strict=True)])
    assert blind.is_beaten_by(losses)
    assert blind.is_beaten_by(np.array([3.0, *losses[40:]]))
    assert not blind.is_beaten_by(blind.by_batch - 0.001)
    # A step of two batches has their mean loss.
    assert blind.is_beaten_by(losses.reshape(30, 2).mean(axis=1), parts=2)
    assert not blind.is_beaten_by(losses[:3])


def test_where_the_batches_are_not_all_known_nothing_is_said_against_losses():
    known = BlindAnswer.of_numbers([np.array([[1.0], [3.0]])])
    assert known.is_beaten_by(np.array([5.0, 5.0]))
    assert not known.is_beaten_by(np.array([5.0]))
    assert UNKNOWN.is_beaten_by(np.array([5.0]))


def test_near_equal_shares_how_fast_the_others_are_found_counts():
    labels = [np.repeat([0, 1], [60, 4])] * 20
    blind = BlindAnswer.of_classes(labels, weights=np.ones(2))
    assert blind.begins_near == pytest.approx(math.log(2))
    found = np.full(20, blind.loss)
    assert blind.is_beaten_by(found, near=True)
    assert not blind.is_beaten_by(found)
