"""Learning-rate policies: their formulas, and the rates of a whole training."""
