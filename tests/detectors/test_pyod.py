"""PyOD's detectors by name: each as good a citizen as the lab's own."""

import subprocess
import sys

import pytest

from anomaly_lab.errors import ConfigError
from anomaly_lab.registry import MODELS
from anomaly_lab.space import defaults, search_space
from anomaly_lab.testing import CHECKS

NAMES = ("ECOD", "COPOD", "HBOS", "KNN", "LOF", "IForest")


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_detector_of_pyod_passes_every_check(name, check):
    pytest.importorskip("pyod")
    check(f"pyod:{name}")


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
