"""The plugin guide is the third-party package in tests/plugin, and what it says works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_lab.features.extract import cross_fit
from anomaly_lab.random_folds import plain_fold
from anomaly_lab.recommender_checks import RECOMMENDER_CHECKS, random_log
from anomaly_lab.registry import ATTACKS, FEATURES, MODELS
from anomaly_lab.testing import CHECKS, check_ranges

PACKAGE = Path(__file__).parents[1] / "plugin"
GUIDE = (Path(__file__).parents[2] / "PLUGINS.md").read_text(encoding="utf-8")
ORIGIN = "anomaly-lab-rarity"

installed = pytest.mark.skipif(
    MODELS.entries().get("rarity", None) is None or MODELS.entries()["rarity"].origin != ORIGIN,
    reason="the example plugin is not installed: pip install --no-deps --no-build-isolation --editable tests/plugin",
)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "file", ["rarity.py", "naive_bayes.py", "item_means.py", "rare_items.py", "echo.py", "pyproject.toml"]
)
def test_the_guide_shows_the_package_word_for_word(file):
    text = (PACKAGE / file).read_text(encoding="utf-8")
    assert text in blocks("toml" if file.endswith("toml") else "python")


def test_the_guide_shows_no_other_code_but_the_test_of_a_plugin():
    shown = [path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py")]
    (other,) = [code for code in blocks("python") if code not in shown]
    names: dict = {}
    exec(compile(other, "PLUGINS.md", "exec"), names)
    assert names["test_rarity_conforms"].pytestmark[0].args == ("check", CHECKS)


@installed
def test_the_package_is_found_by_its_entry_points():
    for registry, names in (
        (MODELS, ("rarity", "naive-bayes", "item-means")),
        (FEATURES, ("rare-items",)),
        (ATTACKS, ("echo",)),
    ):
        for name in names:
            assert registry.entries()[name].origin == ORIGIN
            assert registry.get(name).error is None
    assert MODELS.get("rarity").summary == "Users whose items few others rate look fake."


@installed
@pytest.mark.parametrize("check", [check for check in CHECKS if check is not check_ranges])
@pytest.mark.parametrize("name", ["rarity", "naive-bayes"])
def test_its_models_conform(name, check):
    try:
        check(name)
    except Exception as reason:
        if type(reason).__name__ != "NotApplicable":
            raise


@installed
@pytest.mark.parametrize("check", RECOMMENDER_CHECKS)
def test_its_recommender_conforms(check):
    check("item-means")


@installed
def test_its_features_are_extracted_like_any_other():
    fold = plain_fold()
    features = cross_fit(fold.pool, fold.visible, "rare-items")
    assert features.names == ("rare-items:mean", "rare-items:rarest")
    assert (features.matrix[:, 0] <= features.matrix[:, 1] + 1e-6).all()
    assert np.ptp(features.matrix[:, 0]) > 0


@installed
@pytest.mark.slow
def test_every_command_of_the_guide_runs(tiny_rounds, tmp_path):
    for name, path in (("round1", tiny_rounds["r1"]), ("round2", tiny_rounds["r2"])):
        (tmp_path / f"{name}.npz").write_bytes(path.read_bytes())
    log = random_log()
    rows = {"user": log.users, "item": log.items, "rating": log.ratings}
    pd.DataFrame(rows).to_csv(tmp_path / "ratings.csv", index=False)
    commands = [line for block in blocks("console") for line in block.splitlines() if line.startswith("anomaly-lab")]
    assert len(commands) >= 5
    for command in commands:
        arguments = [sys.executable, "-m", "experiments.cli", *shlex.split(command)[1:]]
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert re.search("rarity|mahalanobis|scores|item-means", done.stdout)
