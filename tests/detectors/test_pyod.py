"""PyOD's detectors by name: each as good a citizen as the lab's own."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr

from anomaly_lab.detectors import bounded, pyod
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.engine import run
from anomaly_lab.random_folds import plain_fold, shared_features
from anomaly_lab.registry import MODELS
from anomaly_lab.space import defaults, search_space
from anomaly_lab.testing import CHECKS
from experiments.choose import choose_seeing

needs_pyod = pytest.mark.skipif(importlib.util.find_spec("pyod") is None, reason="needs pyod")
NAMES = ("ECOD", "COPOD", "HBOS", "KNN", "LOF", "IForest")


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_detector_of_pyod_passes_every_check(name, check):
    pytest.importorskip("pyod")
    check(f"pyod:{name}")


QUICK = (
    *("CD", "COF", "COPOD", "ECOD", "GMM", "HDBSCAN", "IForest", "INNE", "KDE", "KNN", "KPCA"),
    *("LMDD", "LODA", "LOF", "MCD", "OCSVM", "PCA", "RGraph", "SOS", "Sampling"),
)
COMPILED = ("ABOD", "CBLOF", "HBOS", "LOCI", "QMCD", "ROD", "SOD")
"""These compile or import for seconds; with those above, all that run without PyTorch and without settings."""


def fitted(name, n_rows=60):
    model = MODELS.load(f"pyod:{name}")()
    rows = np.random.default_rng(0).normal(size=(n_rows, 4)).astype(np.float32)
    everyone = SimpleNamespace(visible=np.zeros(n_rows, dtype=int), inductive=False)
    model.fit_matrix(rows, everyone, seed=0)
    return model


def asked(n_rows):
    return 2 * np.random.default_rng(1).normal(size=(n_rows, 4)).astype(np.float32)


@needs_pyod
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(one, marks=pytest.mark.slow) for one in COMPILED)])
def test_who_ranks_users_among_those_asked_about_is_known(name):
    model, rows = fitted(name), asked(50)
    together, apart = model.score_rows(rows), [model.score_rows(rows[part]) for part in (slice(25), slice(25, 50))]
    alike = np.allclose(together, np.concatenate(apart), rtol=1e-5, atol=1e-5 * np.ptp(together))
    assert alike != model.transductive


@needs_pyod
def test_who_ranks_users_among_those_asked_about_is_refused_without_the_target():
    models = {name: MODELS.load(name) for name in ("pyod:ECOD", "pyod:HBOS")}
    alone = replace(shared_features(), inductive=True)
    seeing, told = choose_seeing(models, alone, wanted=False)
    assert list(seeing) == ["pyod:HBOS"]
    assert len(told) == 1
    for name, params in (("pyod:ECOD", {}), ("stacked", {"members": ("pyod:ECOD", "mlp")})):
        with pytest.raises(ConfigError, match=r"pyod:ECOD: with --inductive .* use knn-distance"):
            run(name, MODELS.load(name), params, [plain_fold()], alone, seed=0, thresholds=False)


@needs_pyod
@pytest.mark.parametrize("name", ["KNN", "HBOS", "ECOD"])
def test_scores_in_blocks_are_those_of_all_at_once_or_nearly(name, monkeypatch):
    model, rows = fitted(name), np.unique(asked(500), axis=0)
    at_once = model.score_rows(rows)
    monkeypatch.setattr(bounded, "REFERENCE_ROWS", 60)
    in_blocks = model.score_rows(rows)
    if name == "ECOD":
        assert spearmanr(at_once, in_blocks).statistic > 0.95
    else:
        np.testing.assert_allclose(in_blocks, at_once, rtol=1e-6)


@needs_pyod
def test_a_fit_is_bounded_and_says_so(monkeypatch):
    assert fitted("KNN").form_ == fitted("ECOD").form_ == "exact"
    monkeypatch.setattr(MODELS.load("pyod:KNN"), "reference_rows", 50)
    monkeypatch.setattr(MODELS.load("pyod:KNN"), "exact_rows", 50)
    model = fitted("KNN")
    assert model.form_ == "approximate"
    assert len(model.estimator_[-1].decision_scores_) == 50
    monkeypatch.setattr(pyod, "REFERENCE_ROWS", 50)
    assert fitted("ECOD").form_ == "approximate"  # the fit is exact, blocks are not


def test_known_settings_of_pyod_have_ranges():
    pytest.importorskip("pyod")
    model = MODELS.load("pyod:KNN")
    assert defaults(model)["n_neighbors"] == 5
    assert set(search_space(model)) == {"fit_on", "scaling", "n_neighbors"}


def test_an_unknown_name_is_told_with_close_ones():
    pytest.importorskip("pyod")
    with pytest.raises(ConfigError, match=r"PyOD has no detector 'ECODE'; did you mean .*pyod:ECOD"):
        MODELS.load("pyod:ECODE")


def test_without_the_extra_a_name_says_how_to_install_it():
    code = (
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'pyod' else find(name, *rest)\n"
        "from anomaly_lab.registry import MODELS\n"
        "MODELS.load('pyod:ECOD')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "'pyod:ECOD' needs pyod" in ran.stderr
    assert "pip install 'anomaly-lab[pyod]'" in ran.stderr
