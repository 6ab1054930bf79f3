"""Champion: the refitted best run as a registered model, loaded without running any code from the file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anomaly_lab.detectors.champion import CalibratedDetector
from anomaly_lab.detectors.trusted import trusted_types
from anomaly_lab.errors import StoreError
from anomaly_lab.registry import MODELS
from tracking.store import DEFAULT_FOLDER, PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

MODEL_NAME = "champion"
ALIAS = "current"
"""The newest version; MLflow keeps the word "latest" to itself."""
FLAVOR = "anomaly_lab"
MODEL_FILE = "model.skops"


class UnsafeModelError(StoreError):
    """A model holds types that are not trusted, so that it cannot be saved and loaded without running code."""


def save_model(model: CalibratedDetector, path: Path, detector: str) -> None:
    """Write a model with skops, if it can be loaded again.

    Parameters
    ----------
    model : CalibratedDetector
        A refitted detector.
    path : Path
        The file.
    detector : str
        Its registered name.

    Raises
    ------
    UnsafeModelError
        If it holds types that are not trusted, or cannot be written at all.
    """
    from skops.io import dump

    try:
        dump(model, path)
    except Exception as error:  # a plugin's estimator may hold anything
        raise UnsafeModelError(f"{detector} cannot be saved: {type(error).__name__}: {error}") from error
    load_model(path, detector)


def load_model(path: Path, detector: str) -> CalibratedDetector:
    """Return a model from a file of skops' that holds nothing but types *we* trust.

    The list in the file, or in MLflow's description of it, is never read.

    Parameters
    ----------
    path : Path
        The file.
    detector : str
        Registered name of the detector it is said to hold.

    Raises
    ------
    UnsafeModelError
        If it holds any other type; the message names them.
    """
    from skops.io import get_untrusted_types, load

    trusted = trusted_types(MODELS.load(detector))
    try:
        unknown = sorted(set(get_untrusted_types(file=path)) - set(trusted))
        model = None if unknown else load(path, trusted=trusted)
    except Exception as error:  # forged or truncated bytes fail in many ways
        reason = f"{type(error).__name__}: {error}"
        raise UnsafeModelError(f"{path.name} of {detector} cannot be loaded: {reason}") from error
    if unknown:
        raise UnsafeModelError(
            f"{path.name} of {detector}: must hold trusted types only, found {', '.join(unknown)}; "
            "if they are your plugin's, name them in its class variable trusted_types"
        )
    if not isinstance(model, CalibratedDetector):
        raise UnsafeModelError(f"{path.name}: must hold a CalibratedDetector, found {type(model).__name__}")
    return model


def register(
    store: Store,
    run_id: str,
    model: CalibratedDetector,
    feature_names: Sequence[str],
    *,
    tags: Mapping[str, str],
) -> str:
    """Save a model under its run, register it as the newest champion, and return its version.

    Parameters
    ----------
    store : Store
        Where the run is.
    run_id : str
        The run it was refitted from.
    model : CalibratedDetector
        From a feature matrix to hand-in scores.
    feature_names : sequence of str
        The columns of that matrix.
    tags : mapping of str to str
        What to remember of this version: at least ``detector``; question, digest of the batch, …

    Raises
    ------
    UnsafeModelError
        If the model cannot be loaded again without running code.
    """
    from mlflow.entities import LoggedModelOutput

    client = store.client
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, Path(folder) / MODEL_FILE, tags["detector"])
        experiment = client.get_run(run_id).info.experiment_id
        logged = client.create_logged_model(
            experiment, name=MODEL_NAME, source_run_id=run_id, tags=dict(tags), model_type=FLAVOR
        )
        _describe(Path(folder), run_id, logged.model_id, logged.artifact_location, feature_names)
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    _name(store)
    version = client.create_model_version(
        MODEL_NAME,
        logged.artifact_location,
        run_id=run_id,
        tags={"run": run_id, **tags},
        model_id=logged.model_id,
        await_creation_for=None,
    )
    client.set_registered_model_alias(MODEL_NAME, ALIAS, str(version.version))
    return str(version.version)


def load_champion(store: str | Path | Store = DEFAULT_FOLDER, version: str | int | None = None) -> CalibratedDetector:
    """Return a registered champion, which goes from a feature matrix to hand-in scores.

    Parameters
    ----------
    store : path-like or Store
        The lab.
    version : str or int, optional
        A version of the registered model; the newest by default.

    Raises
    ------
    StoreError
        If there is no such version.
    UnsafeModelError
        If its file holds types that are not trusted.
    """
    from mlflow.artifacts import download_artifacts

    opened = store if isinstance(store, Store) else Store.open(store)
    found = _version(opened, version)
    with tempfile.TemporaryDirectory() as folder:
        uri = f"{found.source.rstrip('/')}/{MODEL_FILE}"
        path = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=opened.tracking_uri)
        return load_model(Path(path), found.tags["detector"])


def mark_refit_only(store: Store, run_id: str, reason: str) -> None:
    """Say in a run why no model of it is registered: exporting it again refits it."""
    store.client.set_tag(run_id, PREFIX + "model", f"refit only: {reason}")


def _version(store: Store, version: str | int | None) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    try:
        if version is None:
            return store.client.get_model_version_by_alias(MODEL_NAME, ALIAS)
        return store.client.get_model_version(MODEL_NAME, str(version))
    except MlflowException as error:
        wanted = "a registered champion" if version is None else f"version {version} of the champion"
        raise StoreError(
            f"{store.folder}: there must be {wanted}, found none; run `anomaly-lab export` first"
        ) from error


def _name(store: Store) -> None:
    """Register the model's name unless it is known."""
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(MODEL_NAME, description="The best run refitted on all labelled rounds")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _describe(folder: Path, run_id: str, model_id: str, location: str, feature_names: Sequence[str]) -> None:
    """Write the MLmodel file that MLflow's UI shows."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    matrix = TensorSpec(np.dtype(np.float32), (-1, len(feature_names)), name="features")
    scores = TensorSpec(np.dtype(np.float64), (-1,), name="scores")
    model = Model(
        artifact_path=location,
        run_id=run_id,
        model_id=model_id,
        signature=ModelSignature(Schema([matrix]), Schema([scores])),
    )
    model.add_flavor(FLAVOR, model_file=MODEL_FILE, features=list(feature_names))
    model.save(folder / "MLmodel")
