"""Class scores as a hand-in: written, verified, scored by the composite, and refused where no label names a kind."""

import json
from pathlib import Path

import numpy as np
import pytest

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.composite import composite, mean_ovr_auc
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.readers import read_rounds
from experiments.tune import tune
from tracking.class_forms import read_class_scores, read_hand_in
from tracking.export import export
from tracking.forms import FORMS, read_scores
from tracking.manifest import hand_in, verify
from tracking.scoring import score
from tracking.store import Store

pytestmark = pytest.mark.usefixtures("few_trees")
KINDS = random_round(seed=2, n_users=60, n_items=30, n_fakes=15, n_kinds=3).fake


def write(folder: Path, seed: int) -> Path:
    """Write a round whose labels name three kinds."""
    one = random_round(seed=seed, n_users=60, n_items=30, n_fakes=15, n_kinds=3)
    rows = np.column_stack([one.users, one.items, one.ratings]).astype(int)
    np.savez(folder / f"kinds{seed}.npz", X=rows, y=np.column_stack([np.arange(60), one.fake]))
    return folder / f"kinds{seed}.npz"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    return [write(folder, seed) for seed in range(3)]


@pytest.fixture(scope="module")
def lab_of_kinds(files, template, copy_lab, tmp_path_factory):
    """A lab with one run on two rounds that name kinds."""
    store = copy_lab(template, tmp_path_factory.mktemp("lab_of_kinds"))
    settings = {"trials": 1, "jobs": 1, "families": ["profile", "agreement"], "kind_out": False}
    tune(read_rounds(files[:2], require_labels=True), detectors=["logistic-regression"], store=store, **settings)
    return store


@pytest.fixture(scope="module")
def hand_ins(few_trees, lab_of_kinds, files, tmp_path_factory):
    """What that run says of the third round, in each form of class scores and as scores of users."""
    folder = tmp_path_factory.mktemp("hand_ins")
    forms = ("probabilities", "classes", "predictions")
    return {form: export(files[2], folder / f"{form}.npz", store=lab_of_kinds, form=form) for form in forms}


@pytest.mark.parametrize(("form", "key"), [("probabilities", "probabilities"), ("classes", "arr_0")])
@pytest.mark.slow
def test_a_row_a_user_and_a_column_a_class_are_written(form, key, hand_ins):
    exported = hand_ins[form]
    with np.load(exported.path) as archive:
        assert list(archive) == [key]
        classes = archive[key]
    assert classes.shape == (60, 4)
    assert classes.sum(axis=1) == pytest.approx(1)
    np.testing.assert_array_equal(np.argsort(-classes[:, 0]), np.argsort(exported.table["score"]))
    np.testing.assert_array_equal(classes[:, 0] <= 0.5, exported.table["flagged"])
    binary = read_scores(hand_ins["predictions"].path).scores
    assert roc_auc(1 - (KINDS > 0), classes[:, 0]) == roc_auc((KINDS > 0).astype(int), binary)
    facts = json.loads(exported.manifest.read_text())
    assert (facts["form"], facts["key"]) == (form, key)
    assert facts["classes"] == ["genuine", "kind 1", "kind 2", "kind 3"]
    assert exported.champion is None
    assert any("classifier of kinds, which is not saved" in note for note in exported.notes)


@pytest.mark.slow
def test_the_same_export_gives_the_same_bytes(hand_ins, lab_of_kinds, files, tmp_path):
    again = export(files[2], tmp_path / "again.npz", store=lab_of_kinds, form="probabilities")
    assert again.path.read_bytes() == hand_ins["probabilities"].path.read_bytes()


def test_a_hand_in_of_classes_is_scored_by_the_composite(hand_ins, lab_of_kinds, files):
    exported = hand_ins["probabilities"]
    classes = read_class_scores(exported.path)
    report = score(exported.path, files[2], store=lab_of_kinds)
    assert report.composite == composite(KINDS, classes)
    assert report.mean_ovr_auc == mean_ovr_auc(KINDS, classes)
    assert list(report.auc_by_class) == [0, 1, 2, 3]
    assert report.auc == pytest.approx(report.auc_by_class[0], abs=1e-12)
    logged = Store.open(lab_of_kinds).client.get_run(exported.run_id).data.metrics
    assert (logged["real_composite"], logged["real_auc"]) == (report.composite, report.auc)
    assert score(hand_ins["predictions"].path, files[2]).composite is None


def test_without_named_kinds_class_scores_are_refused_before_anything_is_written(tiny_lab, tiny_rounds, tmp_path):
    with pytest.raises(ConfigError, match=r"--form probabilities .* found 0 and 1 only in round1_labelled \+ round2"):
        export(tiny_rounds["next"], tmp_path / "s.npz", store=tiny_lab, form="probabilities")
    assert not list(tmp_path.iterdir())


def test_what_was_written_must_be_what_is_read_again(tmp_path):
    users, classes = np.arange(3), np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.9, 0.1, 0.0]])
    path, form = tmp_path / "s.npz", FORMS["probabilities"]
    hand_in(path, users, classes, form, {})
    verify(path, users, classes, form)
    for other in (classes.T.copy(), classes[:, :2], classes.reshape(9, 1)):
        with pytest.raises(DataError, match="must hold the scores that were written"):
            verify(path, users, other, form)
    with pytest.raises(DataError, match=r"scores must lie in \[0, 1\], found 0 to 1.8"):
        hand_in(path, users, 2 * classes, form, {})
    np.testing.assert_array_equal(read_class_scores(path), classes)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(4), r"must hold class scores, \(n_users, n_classes\), found \(4,\)"),
        (np.zeros((4, 1)), r"found \(4, 1\)"),
        (np.array([[0.1, 0.2, np.nan]]), r"found nan in row 0, column 2 \(counted from 0\) and 1 such in all"),
        (np.eye(3), "found only 0 and 1: hard labels"),
        (np.full((2, 3), "a"), "class scores must be numbers, found dtype <U1"),
    ],
)
def test_what_is_no_table_of_class_scores_is_refused_by_name(array, message, tmp_path):
    np.savez(tmp_path / "s.npz", array)
    with pytest.raises(DataError, match=message) as error:
        read_class_scores(tmp_path / "s.npz")
    assert str(error.value).startswith(str(tmp_path / "s.npz"))


def test_classes_are_read_only_against_labels_that_name_kinds(tmp_path):
    classes = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    np.savez(tmp_path / "s.npz", classes)
    found, table = read_hand_in(tmp_path / "s.npz", None, np.array([0, 2]))
    assert found.scores.tolist() == [0.5, 0.9]
    np.testing.assert_array_equal(table, classes)
    with pytest.raises(DataError, match="scores of several classes"):
        read_hand_in(tmp_path / "s.npz", None, None)
    np.savez(tmp_path / "two.npz", classes[:, :2])
    with pytest.raises(DataError, match=r"must hold one score a user, \(n_users,\), found \(2, 2\)"):
        read_hand_in(tmp_path / "two.npz", None, np.array([0, 2]))


def test_the_five_kinds_of_a_real_round(data_dir, tmp_path):
    rounds = read_rounds([data_dir / "course/likes/round2_labelled.npz"], require_labels=True)
    ascending = rounds[0].ratings.ascending
    kinds = rounds[0].labels.kinds[ascending]
    ideal = np.clip(np.eye(6)[kinds], 0.01, 0.95)
    hand_in(tmp_path / "s.npz", rounds[0].ratings.user_ids[ascending], ideal, FORMS["probabilities"], {"run": "none"})
    report = score(tmp_path / "s.npz", data_dir / "course/likes/round2_labelled.npz", store=tmp_path / "no lab")
    assert report.composite == report.mean_ovr_auc == report.auc == 1.0
    assert list(report.auc_by_class) == [0, 1, 2, 3, 4, 5]
