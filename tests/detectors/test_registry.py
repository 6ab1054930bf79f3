"""Names are listed without importing anything; what is wrong with a plugin is said by name."""

import subprocess
import sys

import pytest
from installing import install

from anomaly_lab.errors import ConfigError, PluginError
from anomaly_lab.registry import FEATURES, MODELS


@pytest.mark.parametrize("registry", [MODELS, FEATURES], ids=["models", "features"])
def test_built_in_names_are_listed_with_a_sentence_each(registry):
    built_in = {name: entry for name, entry in registry.entries().items() if entry.origin == "built-in"}
    assert set(built_in) == set(registry.built_in)
    assert all(entry.error is None and entry.summary.endswith(".") for entry in built_in.values())


@pytest.mark.parametrize("name", FEATURES.built_in)
def test_every_built_in_family_loads_and_is_what_its_source_says(name):
    assert FEATURES.load(name).__doc__.partition("\n")[0] == FEATURES.get(name).summary


def test_listing_imports_no_model_and_nothing_heavy():
    code = (
        "import sys; from anomaly_lab.registry import MODELS, FEATURES\n"
        "for registry in (MODELS, FEATURES):\n"
        "    [(entry.summary, entry.error, entry.constant('kind')) for entry in registry.entries().values()]\n"
        "heavy = ('sklearn', 'imblearn', 'lightgbm', 'scipy', 'pandas', 'numpy', 'optuna', 'mlflow')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_installed_model_is_listed_with_its_origin_and_loads(tmp_path, monkeypatch):
    install(
        tmp_path, monkeypatch, "ours", 'class Ours:\n    """Says nothing."""\n    kind: str = "mine"\n', ours="Ours"
    )
    entry = MODELS.entries()["ours"]
    assert (entry.origin, entry.summary, entry.constant("kind")) == ("ours", "Says nothing.", "mine")
    assert MODELS.load("ours").__name__ == "Ours"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("class Broken(:\n", "SyntaxError"),
        ("class Other:\n    pass\n", "does not define Broken"),
    ],
)
def test_a_plugin_whose_source_is_broken_is_listed_with_its_error(tmp_path, monkeypatch, code, error):
    install(tmp_path, monkeypatch, "broken_source", code, broken="Broken")
    entry = MODELS.entries()["broken"]
    assert error in entry.error
    assert entry.summary == ""
    with pytest.raises(PluginError, match=r"'broken' \(broken_source:Broken, from broken.source\) cannot be loaded"):
        entry.load()


def test_a_plugin_that_fails_on_import_is_listed_and_says_so_when_loaded(tmp_path, monkeypatch):
    code = 'import a_module_nobody_has\n\nclass Late:\n    """Fails late."""\n'
    install(tmp_path, monkeypatch, "late", code, late="Late")
    assert MODELS.entries()["late"].summary == "Fails late."
    with pytest.raises(PluginError, match="ModuleNotFoundError: No module named 'a_module_nobody_has'"):
        MODELS.load("late")


def test_a_plugin_without_its_module_is_listed_with_its_error(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "vanished", "", vanished="Gone")
    (tmp_path / "site-vanished" / "vanished.py").unlink()
    assert MODELS.entries()["vanished"].error == "module vanished not found"


def test_a_duplicate_name_is_an_error_that_names_both(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "usurper", "class Mine:\n    pass\n", mlp="Mine")
    with pytest.raises(PluginError) as caught:
        MODELS.entries()
    assert "'mlp'" in str(caught.value)
    assert "anomaly_lab.detectors.mlp:MLPDetector (built-in)" in str(caught.value)
    assert "usurper:Mine (usurper)" in str(caught.value)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match="there is no model 'mahalanobi'; did you mean mahalanobis"):
        MODELS.get("mahalanobi")
    with pytest.raises(ConfigError, match="there is no feature family 'zzz'; known: profile, agreement"):
        FEATURES.get("zzz")
