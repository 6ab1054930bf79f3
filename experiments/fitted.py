"""Which recommender a command speaks for, fitted once on a log and kept in the lab's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.provenance import code_of
from anomaly_lab.ratings.labels import Round
from anomaly_lab.recommenders.saving import load_recommender, save_recommender
from anomaly_lab.space import defaults, parse_params
from experiments.recommend import Fitted, fit, known_to, recommender_class
from tracking.recommender_board import RecommenderRun, best_recommender, recommender_run
from tracking.store import Store

FALLBACK = "ease"
"""Taken where nothing was tuned on the log: it needs no tuning and no extra."""


@dataclass(frozen=True)
class Chosen:
    """A recommender with its hyperparameters.

    Parameters
    ----------
    name : str
        Registered name.
    params : mapping of str to Any
        Hyperparameters; those not given stand at their defaults.
    said : str
        What to call it.
    note : str
        Why it was chosen, where nobody asked for it.
    """

    name: str
    params: Mapping[str, Any]
    said: str
    note: str = ""


def choose_recommender(
    log: Round,
    store: str | Path,
    model: str | None = None,
    settings: Mapping[str, str] | None = None,
    run: str | None = None,
) -> Chosen:
    """Return the recommender asked for: by name, by a run of the store, or the store's leader on the same log.

    Parameters
    ----------
    log : Round
        What it is to be fitted on.
    store : path-like
        The lab's folder.
    model : str, optional
        Registered name.
    settings : mapping of str to str, optional
        Hyperparameters of that model as text.
    run : str, optional
        Beginning of the id of a run whose model and hyperparameters are taken.

    Raises
    ------
    ConfigError
        If model and run are both given, or hyperparameters without a model.
    StoreError
        If there is no such run.
    """
    if (model and run) or (settings and not model):
        raise ConfigError("--model (with --set) or --run must be given, found both, or --set alone")
    if model:
        params = parse_params(recommender_class(model), settings or {}, model)
        return Chosen(
            model, params, f"{model} with {', '.join(settings)} set" if settings else f"{model} at its defaults"
        )
    if run:
        return _of_run(recommender_run(Store.open(store), run))
    database = Path(store) / "mlflow.db"
    best = best_recommender(Store.open(store), log.ratings.digest) if database.exists() else None
    if best is not None:
        return _of_run(best)
    note = f"no recommender was tuned on this log in {store} (`anomaly-lab tune --task implicit-ranking --ratings …`)"
    return Chosen(FALLBACK, {}, f"{FALLBACK} at its defaults", note)


def fitted_on(log: Round, chosen: Chosen, store: str | Path | None) -> Fitted:
    """Return a recommender fitted on every rating of a log, read back where it was kept.

    Parameters
    ----------
    log : Round
        The ratings.
    chosen : Chosen
        The recommender.
    store : path-like or None
        The lab's folder, if there is one to keep it in.
    """
    model = recommender_class(chosen.name)
    if store is None or not Path(store).is_dir():
        return fit(log, chosen.name, chosen.params)
    params = {**defaults(model), **chosen.params}
    content = None if log.content is None else log.content.digest
    identity = repr((chosen.name, sorted(params.items()), log.ratings.digest, content, code_of(model)))
    kept = Path(store) / "recommenders" / f"{chosen.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"
    if kept.exists():
        try:
            return Fitted(chosen.name, load_recommender(kept), *known_to(log, model.task)[1:])
        except DataError:  # of a run that was killed while it wrote, or of an older release
            kept.unlink()
    fitted = fit(log, chosen.name, chosen.params)
    kept.parent.mkdir(parents=True, exist_ok=True)
    save_recommender(fitted.model, chosen.name, kept)
    return fitted


def _of_run(found: RecommenderRun) -> Chosen:
    params = parse_params(recommender_class(found.name), found.params, found.name)
    return Chosen(found.name, params, f"{found.name} (run {found.run_id[:8]}, {found.figure})")
