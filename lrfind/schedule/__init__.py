"""Learning-rate policies: their curves, their code, and trials of them."""
