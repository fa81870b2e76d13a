"""How long a comparison trains, in samples, so that batch sizes compare fairly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from lrfind.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Budget:
    """A number of samples, and how often the held-out data are read while they are trained on.

    Every batch size sees the same number of samples to within one batch, at the end and at each reading: that
    is as many steps as whole batches fit. (An epoch that is counted in batches drops the last incomplete one,
    which costs a large batch size more than a small one.)

    Attributes:
        samples: Samples a run trains on.
        readings: How often it is read, evenly spread; the last time at its end.
        pool: Samples of an epoch, or None where the data have no known end.
    """

    samples: int
    readings: int
    pool: int | None = None

    @classmethod
    def of(
        cls, *, epochs: float | None, samples: int | None, readings: int | None, pool: int | None
    ) -> Budget:
        """The budget that the settings ask for; a ConfigError for epochs of data that have no known end."""
        if samples is None:
            if pool is None or epochs is None:
                raise ConfigError(
                    "compare.epochs needs data whose end is known, and these have none: give "
                    "compare.samples=100000, or as many as a run should train on."
                )
            samples = round(epochs * pool)
            readings = max(1, math.ceil(epochs)) if readings is None else readings
        return cls(samples, 10 if readings is None else readings, pool)

    def steps(self, batch_size: int) -> tuple[int, ...]:
        """The steps after which a batch size is read; the last is the length of its training.

        Raises:
            ConfigError: There are fewer steps than readings.
        """
        steps = tuple(
            int(Fraction(self.samples * j, self.readings * batch_size)) for j in range(1, self.readings + 1)
        )
        if steps[0] < 1:
            raise ConfigError(
                f"compare.readings={self.readings} is more than the steps that {self.samples} samples allow "
                f"at batch size {batch_size}, {self.samples // batch_size}: raise compare.epochs or "
                "compare.samples, or take a smaller batch size or fewer compare.readings."
            )
        return steps

    def epoch(self, reading: int) -> float | None:
        """How many passes over the training set a reading comes after; None where that is not known."""
        if self.pool is None:
            return None
        return float(Fraction(self.samples * (reading + 1), self.readings * self.pool))

    @property
    def words(self) -> str:
        """`10 epochs`, or `50,000 samples`."""
        if self.pool is not None:
            epochs = self.samples / self.pool
            # Half a sample's rounding is no tenth of an epoch.
            if abs(epochs - round(epochs, 1)) * self.pool <= 0.5:
                return f"{epochs:.3g} {'epoch' if round(epochs, 1) == 1 else 'epochs'}"
        return f"{self.samples:,} samples"
