"""Numbers in words: how a learning rate and a duration are spelled for a reader."""

from __future__ import annotations

import math
import re


def rate_text(value: float, digits: int = 3) -> str:
    """Spells a learning rate: `0.0123`, `1e-5`, `10`; Python reads every spelling back.

    Args:
        value: The rate.
        digits: Significant digits.

    Returns:
        At most `digits` significant digits; `nan`, `inf` and `-inf` as Python spells them.
    """
    if 1e-4 <= abs(value) < 1e5 or value == 0:
        text = f"{value:.{digits}g}"
        # With few digits, %g turns to an exponent early: 1e+03 for 1000.
        return text if "e" not in text else f"{float(text):.0f}"
    return re.sub(r"e([+-])0*(\d+)$", lambda m: f"e{m[1].strip('+')}{m[2]}", f"{value:.{digits}g}")


def duration_text(seconds: float) -> str:
    """Spells a duration: `0.42 s`, `12 s`, `3 min 05 s`, `2 h 10 min`; `?` where it is not finite."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 10:
        return f"{max(seconds, 0.0):.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
