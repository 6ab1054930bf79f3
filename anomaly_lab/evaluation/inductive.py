"""What a run without the target asks of a detector: each user's score is the one it has alone."""

from __future__ import annotations

from anomaly_lab.errors import ConfigError


def check_inductive(name: str, model: type, *, inductive: bool) -> None:
    """Raise `ConfigError` if a run is inductive and the detector says that it ranks users among those asked about.

    Parameters
    ----------
    name : str
        The detector's registered name.
    model : type
        Its class; the class attribute ``transductive`` says so.
    inductive : bool
        Whether the run is.
    """
    if inductive and getattr(model, "transductive", False):
        raise ConfigError(
            f"{name}: with --inductive each user must have the score it has alone, found a detector that ranks users "
            "among those asked about; use knn-distance, isolation-forest or pyod:HBOS, or leave --inductive out"
        )
