"""Champion: what is registered goes from features to exported scores; loading it runs none of the file's code."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from plugin_detectors import Centre
from sklearn.linear_model import LogisticRegression

from anomaly_lab.detectors.champion import CalibratedDetector, calibrate
from anomaly_lab.detectors.mahalanobis import MahalanobisDetector
from anomaly_lab.detectors.samplers import SAMPLERS
from anomaly_lab.errors import StoreError
from anomaly_lab.evaluation.folds import Train, train_view
from anomaly_lab.evaluation.refit import refit, target_fold
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import MODELS
from anomaly_lab.space import parse_params
from experiments.tune import tune
from tracking.champion import UnsafeModelError, load_champion, load_model, save_model
from tracking.export import export
from tracking.read import COMMON_PARAMS, find_run
from tracking.store import Store

DETECTORS = [name for name, entry in MODELS.entries().items() if entry.constant("task") in {None, "fake-users"}]

SMALL = {
    "next-round": {"n_per_kind": 5, "n_strays": 20, "n_trees": 8},
    "random-forest": {"n_estimators": 50},
    "isolation-forest": {"n_estimators": 50},
}
"""What makes a detector small where it takes long: that it is saved and loaded does not hang on its size."""

LOAD_ALL = """
import sys
from pathlib import Path
import numpy as np
from tracking.champion import load_model

for path in Path(sys.argv[1]).glob("*.skops"):
    matrix = np.load(path.with_suffix(".npy"))
    np.save(path.with_suffix(".scores.npy"), load_model(path, path.stem.split("+")[0]).score_matrix(matrix))
"""


@pytest.fixture(scope="session")
def train(tiny_rounds) -> Train:
    first, batch = read_rounds([tiny_rounds["r1"], tiny_rounds["next"]])
    return train_view(target_fold([first], batch.ratings), FeatureStore(("profile",)))


@pytest.fixture(scope="session")
def saved(train, shared) -> Path:
    """Every detector, and one with each sampler, fitted, saved, and scored again by a fresh process that loaded it."""
    settings = {name: (name, SMALL.get(name, {})) for name in DETECTORS}
    settings |= {f"logistic-regression+{one}": ("logistic-regression", {"sampler": one}) for one in SAMPLERS}

    def fill(folder: Path) -> None:
        for key, (name, params) in settings.items():
            fitted = MODELS.load(name)(**params)
            fitted.fit(train, rng=np.random.default_rng(0))
            if hasattr(fitted, "score_matrix"):
                champion = CalibratedDetector(fitted, 0.5, 1.0)
                matrix = train.features(fitted.families).matrix
                save_model(champion, folder / f"{key}.skops", name)
                np.save(folder / f"{key}.npy", matrix)
                np.save(folder / f"{key}.known.npy", champion.score_matrix(matrix))
        subprocess.run([sys.executable, "-c", LOAD_ALL, str(folder)], check=True)

    return shared("models", fill)


@pytest.mark.parametrize("key", [*DETECTORS, *(f"logistic-regression+{one}" for one in SAMPLERS)])
@pytest.mark.slow
def test_every_detector_scores_the_same_to_the_bit_in_another_process(saved, key):
    if not hasattr(MODELS.load(key.partition("+")[0]), "score_matrix"):
        pytest.skip(f"{key} reads ratings itself: it is refitted, never loaded")
    known = np.load(saved / f"{key}.known.npy")
    assert np.load(saved / f"{key}.scores.npy").tobytes() == known.tobytes()
    assert len(np.unique(known)) > 1


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=30).map(np.asarray),
    st.floats(-1e3, 1e3),
    st.floats(1e-6, 1e6),
    st.integers(0, 200),
)
def test_calibration_keeps_the_order_and_cuts_at_the_threshold(scores, threshold, scale, steps):
    neighbours = [scores]
    for _ in range(min(steps, 5)):
        neighbours.append(np.nextafter(neighbours[-1], np.inf))
    raw = np.sort(np.concatenate([*neighbours, [threshold]]))
    calibrated = calibrate(raw, threshold, scale)
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    assert (calibrated[raw >= threshold] >= 0.5).all()
    assert calibrate(np.array([threshold]), threshold, scale)[0] == 0.5


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=30, unique=True),
    st.floats(-10, 10),
    st.floats(1e-3, 1e3),
)
def test_calibration_makes_no_ties_of_scores_that_rounding_cannot_tell(steps, threshold, scale):
    z = np.sort(np.asarray(steps)) * 1e-6  # spreads from the threshold, up to a thousand
    assert (np.diff(calibrate(threshold + z * scale, threshold, scale)) > 0).all()


@pytest.mark.slow
def test_the_registered_model_gives_the_exported_scores_bit_for_bit(exported_lab, exported, tiny_rounds, tmp_path):
    run = find_run(Store.open(exported_lab), exported.run_id)
    name = run.data.tags["lab.detector"]
    *rounds, batch = read_rounds([tiny_rounds[key] for key in ("r1", "r2", "next")])
    settings = {key: value for key, value in run.data.params.items() if key not in COMMON_PARAMS}
    model = MODELS.load(name)
    families = run.data.tags["lab.families"].split(",")
    params = parse_params(model, settings, name)
    again = refit(
        name, model, params, rounds, batch.ratings, FeatureStore(families), seed=int(run.data.tags["lab.seed"])
    )
    champion = load_champion(exported_lab, exported.champion)
    assert champion.score_matrix(again.features.matrix).tobytes() == exported.table["score"].to_numpy().tobytes()


def test_every_export_is_a_version_and_the_newest_is_the_current_one(lab, tiny_rounds, tmp_path):
    first = export(tiny_rounds["next"], tmp_path / "a.npz", store=lab)
    second = export(tiny_rounds["next"], tmp_path / "b.npz", store=lab, flag_rate=0.1)
    assert int(second.champion) == int(first.champion) + 1
    assert load_champion(lab).threshold == load_champion(lab, second.champion).threshold
    assert load_champion(lab).threshold != load_champion(lab, first.champion).threshold
    client = Store.open(lab).client
    version = client.get_model_version_by_alias("champion", "current")
    batch = read_rounds([tiny_rounds["next"]])[0].ratings
    assert (version.run_id, version.tags["batch"]) == (second.run_id, batch.digest)
    run = client.get_run(second.run_id)
    assert version.tags["question"] == run.data.tags["lab.question"]
    models = [client.get_logged_model(one.model_id) for one in run.outputs.model_outputs]
    assert [str(one.status) for one in models] == ["READY", "READY"]


def test_the_model_is_described_as_mlflow_shows_it(exported_lab, exported, tiny_rounds, tmp_path):
    from mlflow.models import Model

    version = Store.open(exported_lab).client.get_model_version_by_alias("champion", "current")
    described = Model.load(version.source.removeprefix("file://"))
    flavor = described.flavors["anomaly_lab"]
    assert flavor["model_file"] == "model.skops"
    assert described.signature.inputs.inputs[0].shape == (-1, len(flavor["features"]))
    assert {one.partition(":")[0] for one in flavor["features"]} == {"profile", "agreement", "popularity", "likelihood"}


def test_without_an_export_there_is_no_champion(lab):
    with pytest.raises(StoreError, match="must be a registered champion, found none; run `anomaly-lab export` first"):
        load_champion(lab)
    with pytest.raises(StoreError, match="must be version 7 of the champion"):
        load_champion(lab, 7)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Centre(np.zeros(2)), r"plugin_detectors\.Centre"),
        (os.system, r"posix\.system"),
        (subprocess.Popen, r"subprocess\.Popen"),
    ],
)
def test_a_file_with_a_foreign_type_is_refused_by_name(tmp_path, content, named):
    path = tmp_path / "model.skops"
    skops.io.dump(CalibratedDetector(content, 0.5, 1.0), path)
    with pytest.raises(UnsafeModelError, match=f"must hold trusted types only, found {named}"):
        load_model(path, "mahalanobis")


def test_a_forged_type_is_refused_before_it_is_made(train, tmp_path):
    path, forged = tmp_path / "model.skops", tmp_path / "forged.skops"
    detector = MahalanobisDetector().fit(train, rng=np.random.default_rng(0))
    save_model(CalibratedDetector(detector, 0.5, 1.0), path, "mahalanobis")
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(forged, "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name == "schema.json":
                assert b'"MahalanobisDetector"' in content
                content = content.replace(b'"MahalanobisDetector"', b'"Popen"')
                content = content.replace(b'"anomaly_lab.detectors.mahalanobis"', b'"subprocess"')
            bad.writestr(name, content)
    with pytest.raises(UnsafeModelError, match=r"subprocess\.Popen"):
        load_model(forged, "mahalanobis")


def test_a_model_of_another_sort_or_half_a_file_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    skops.io.dump(LogisticRegression(), path)
    with pytest.raises(UnsafeModelError, match="must hold a CalibratedDetector, found LogisticRegression"):
        load_model(path, "logistic-regression")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UnsafeModelError, match="cannot be loaded"):
        load_model(path, "logistic-regression")


PLUGINS = {"rating-count": "RatingCount", "unnamed": "Unnamed", "named": "Named"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rating-count", "the detector reads ratings, not a feature matrix"),
        ("unnamed", r"found plugin_detectors\.Centre; if they are your plugin's, name them"),
        ("named", None),
    ],
)
@pytest.mark.slow
def test_a_plugin_is_registered_if_its_types_are_declared_and_else_refitted_only(
    lab, tiny_rounds, tmp_path, monkeypatch, name, reason
):
    monkeypatch.setitem(MODELS.built_in, name, f"plugin_detectors:{PLUGINS[name]}")
    rounds = read_rounds([tiny_rounds["r1"]], require_labels=True)
    tuned = tune(rounds, detectors=[name], trials=1, jobs=1, store=lab, families=["profile"])
    run_id = tuned.board.table["run_id"].iloc[0]
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab, run=run_id)
    tags = Store.open(lab).client.get_run(run_id).data.tags
    assert exported.table["score"].between(0, 1).all()
    if reason is None:
        assert exported.champion == "1"
        assert all("to be expected" in note for note in exported.notes)
        assert "lab.model" not in tags
    else:
        assert exported.champion is None
        assert any("refitted only" in note for note in exported.notes)
        assert tags["lab.model"].startswith("refit only: ")
        assert re.search(reason, tags["lab.model"])
