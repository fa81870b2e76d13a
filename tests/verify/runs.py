"""Runs of a search as its judge and its picture are given them."""

import numpy as np

from lrfind.training.run_set import RunSet
from lrfind.verify.candidates import Role
from lrfind.verify.run import Verified
from lrfind.verify.search_run import About
from lrfind.verify.target import Checked


def runs_of(seed, start, losses, finals):
    """The runs of a seed, one a rate, held-out losses read before training and at the end; NaN: given up."""
    losses, finals = np.asarray(losses, dtype=float), np.asarray(finals, dtype=float)
    steps = losses.shape[1]
    runs = RunSet.untrained(np.ones(len(finals)), read_at=(0, steps), num_steps=steps, seed=seed)
    runs.losses[:] = losses
    runs.readings[:] = np.stack([np.full(len(finals), start), finals], axis=1)
    runs.steps_taken[:] = (~np.isnan(losses)).sum(axis=1)
    runs.diverged[:] = np.isinf(finals)
    runs.finished[:] = ~np.isnan(finals)
    return runs


def verified(trials, judgement, conclusion, *, plan, pinned=None):
    """What a search from 0.1 on came to, as it is written down."""
    checked = Checked(0.1, Role.SUGGESTION)
    return Verified(checked, plan, trials, judgement, conclusion, judgement is None, About(7), pinned)
