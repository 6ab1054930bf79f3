"""Study reading: what Optuna says of the hyperparameters of a lab's detectors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from experiments.studies import has_studies, open_studies
from tracking.report.search import Hyperparameter, Search
from tracking.store import Store


def read_searches(store: Store, studies: Mapping[str, str]) -> dict[str, Search]:
    """Return what studies tried, by detector; those that it does not know are left out.

    Parameters
    ----------
    store : Store
        The lab; without studies nothing is found.
    studies : mapping of str to str
        Names of studies by detector.

    Raises
    ------
    StoreError
        If the journal is no journal of Optuna's, or the database of studies does not answer.
    """
    if not has_studies(store):
        return {}
    storage = open_studies(store)
    known = set(optuna.get_all_study_names(storage))
    loaded = {
        detector: optuna.load_study(study_name=name, storage=storage)
        for detector, name in studies.items()
        if name in known
    }
    return {detector: _search(detector, study) for detector, study in loaded.items()}


def _search(detector: str, study: optuna.Study) -> Search:
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    importances = _importances(study, finished)
    space = {name: one for trial in finished for name, one in trial.distributions.items()}
    found = [
        Hyperparameter(
            name,
            importances.get(name, math.nan),
            log=isinstance(one, FloatDistribution | IntDistribution) and one.log,
            numeric=not isinstance(one, CategoricalDistribution),
        )
        for name, one in space.items()
    ]
    found.sort(key=lambda one: (1.0 if math.isnan(one.importance) else -one.importance, one.name))
    trials: list[dict[str, Any]] = [
        {"number": trial.number, "value": trial.value, "params": dict(trial.params)} for trial in finished
    ]
    return Search(detector, study.study_name, tuple(found), tuple(trials), len(failed))


def _importances(study: optuna.Study, finished: list[FrozenTrial]) -> dict[str, float]:
    """Return the importances as Optuna has them by default; none where all trials are equally good."""
    if len({trial.value for trial in finished}) < 2 or not any(trial.params for trial in finished):
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return dict(optuna.importance.get_param_importances(study))
