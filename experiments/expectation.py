"""Expectation: what a tune promises of the coming round, in words."""

from __future__ import annotations

from anomaly_lab.evaluation.expect import Expectation
from tracking.expectation import in_words

UNSEEN = {
    "in-round": "one round cannot show how much others differ, nor what new kinds of fakes cost: label a second one",
    "next-round": "rounds differ, and a new one brings new kinds of fakes",
    "forward": "rounds differ, and a new one brings new kinds of fakes",
}
"""By protocol, why the interval is as wide as it is."""


def expectation_text(expected: Expectation | None, batch: str) -> str:
    """Return in words what is to be expected of a batch to come.

    Parameters
    ----------
    expected : Expectation or None
        Of the run that would be handed in; None where nothing can be said.
    batch : str
        What is to come, e.g. ``round 4``.
    """
    if expected is None:
        return f"Nothing can be said of {batch}: no run that could be handed in answered the whole question."
    runs = f"the best of {expected.n_runs} runs" if expected.n_runs > 1 else "the only run"
    return (
        f"Expect of {batch}: {in_words(expected)}. The board says {expected.seen:.3f}, of which "
        f"{expected.selection_bias:.3f} is the luck of {runs}; {UNSEEN[expected.protocol]}."
    )
