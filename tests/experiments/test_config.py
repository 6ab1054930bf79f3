"""Settings from a TOML file: read under their options' names, refused in one line."""

from pathlib import Path

import pytest

from anomaly_lab.errors import ConfigError
from experiments.config import KNOWN, read_config


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "study.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_every_setting_is_read(write, tmp_path):
    settings = read_config(
        write(
            """
            rounds = ["a.npz", "/elsewhere/b.npz"]
            detectors = ["lof"]
            families = ["profile"]
            inductive = true
            features = "mine.csv"
            trials = 3
            jobs = 2
            timeout = 1.5
            seed = 7
            protocol = "forward"
            kind_out = true
            scale = "-1,0,1"
            store = "../lab"
            task = "rating-prediction"
            ratings = "logs"
            items = "/elsewhere/movies.csv"
            drop_genres = ["sensitive"]
            task_options = ["k=2"]
            executor = "dask"
            scheduler = "tcp://127.0.0.1:8786"
            """
        )
    )
    assert set(settings) == set(KNOWN)
    assert (settings["ratings"], settings["items"]) == (str(tmp_path / "logs"), "/elsewhere/movies.csv")
    assert settings["rounds"] == [str(tmp_path / "a.npz"), "/elsewhere/b.npz"]
    assert settings["features"] == str(tmp_path / "mine.csv")
    assert Path(settings["store"]).resolve() == tmp_path.parent / "lab"
    assert (settings["trials"], settings["timeout"], settings["protocol"]) == (3, 1.5, "forward")
    assert settings["inductive"] is True


def test_an_empty_file_sets_nothing(write):
    assert read_config(write("")) == {}


def test_whole_seconds_are_a_timeout(write):
    assert read_config(write("timeout = 60")) == {"timeout": 60}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trails = 3", "there is no setting 'trails'; known: rounds, detectors"),
        ("[study]\ntrials = 3", "there is no setting 'study'"),
        ("inductive = 1", "'inductive' must be of type bool, found 1"),
        ("trials = '3'", "'trials' must be of type int, found '3'"),
        ("trials = 3.0", "'trials' must be of type int, found 3.0"),
        ("trials = true", "'trials' must be of type int, found True"),
        ("timeout = 'long'", "'timeout' must be of type int or float, found 'long'"),
        ("rounds = 'a.npz'", "'rounds' must be of type list, found 'a.npz'"),
        ("rounds = []", "'rounds' must be a list of one or more strings, found []"),
        ("rounds = [1]", "'rounds' must be a list of one or more strings, found [1]"),
        ("detectors = ['lof', 2]", "'detectors' must be a list of one or more strings"),
        ("trials = 3\ntrials = 4", "must be a TOML file of settings, found: "),
        ("trials 3", "must be a TOML file of settings, found: "),
    ],
)
def test_what_is_wrong_is_told_by_file_and_key(text, message, write):
    path = write(text)
    with pytest.raises(ConfigError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError, match="must be a TOML file of settings"):
            read_config(path)
    (tmp_path / "latin.toml").write_bytes(b"store = '\xe9'")
    with pytest.raises(ConfigError, match="must be a TOML file of settings"):
        read_config(tmp_path / "latin.toml")
