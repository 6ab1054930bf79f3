import pytest
from installing import install


@pytest.fixture
def install_plugin(tmp_path, monkeypatch):
    """Give a function that installs a module with models of its own."""
    return lambda module, code, **models: install(tmp_path, monkeypatch, module, code, **models)
