"""What code a result comes from: a helper beside it counts, what lies elsewhere does not."""

import importlib
import os

import pytest

from anomaly_lab.provenance import code_of


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "helper.py").write_text("NUMBER = 1\n")
    (folder / "family.py").write_text("from own_package.helper import NUMBER\n\n\ndef family():\n    return NUMBER\n")
    (tmp_path / "elsewhere.py").write_text("def lone():\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def rewrite(path, text):
    path.write_text(text)
    os.utime(path, ns=(1, 1))  # however coarse the clock of the file system is


def test_a_changed_helper_is_another_code_and_a_module_elsewhere_is_not(package):
    family = importlib.import_module("own_package.family").family
    lone = importlib.import_module("elsewhere").lone
    before, alone = code_of(family), code_of(lone)
    assert code_of(family) == before
    rewrite(package / "helper.py", "NUMBER = 2\n")
    assert code_of(family) != before
    assert code_of(lone) == alone
    rewrite(package.parent / "elsewhere.py", "def lone():\n    return 1\n")
    assert code_of(lone) != alone


def test_code_without_a_file_has_none():
    typed = {"__name__": "typed"}
    exec("class Typed: pass", typed)
    assert code_of(typed["Typed"]) == ""
