"""Saved recommenders come back bit for bit, and files from elsewhere do no harm."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from anomaly_lab.errors import ContractError, DataError
from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.recommenders.base import Lists, Pairs, Recommender, Training
from anomaly_lab.recommenders.saving import load_recommender, save_recommender
from anomaly_lab.registry import MODELS


@dataclass
class Everything(Recommender):
    """A recommender with every sort of fitted attribute."""

    task = "rating-prediction"
    factors: int = 3
    rate: float = 0.5
    how: str = "plain"
    layers: tuple[int, ...] = (4, 2)
    limit: float | None = None
    vectors_: object = field(init=False, repr=False)

    def fit(self, train, *, rng):
        known = train.known
        self.n_items_ = known.n_items
        self.vectors_ = rng.normal(size=(known.n_users, self.factors)).astype(np.float32)
        self.ratings_ = known.matrix
        self.weights_ = {"first": {"kernel": rng.normal(size=(2, 3)), "bias": np.zeros(3)}, "empty": {}}
        self.pair_ = (rng.integers(0, 9, 4), np.array(["a", "é"]))
        self.epochs_, self.mean_, self.best_, self.name_, self.done_ = 7, 0.1 + 0.2, None, "ü", True
        self.scalar_, self.far_ = np.float32(0.1), float("inf")
        self.names_ = [np.arange(2), 3]
        self.scratch = object()
        return self

    def rank(self, users):
        return self.vectors_[users] @ self.vectors_[: self.n_items_].T + self.ratings_[users].toarray()


def data():
    users, items = np.array([0, 0, 1, 3], np.int32), np.array([0, 2, 1, 2], np.int32)
    return Interactions(users, items, np.array([5, 3, 1, 4], np.float32), 4, 3, 1.0, 5.0)


@pytest.fixture
def fitted():
    return Everything(factors=2, layers=(1,)).fit(Training(data()), rng=np.random.default_rng(0))


@pytest.fixture
def saved(fitted, tmp_path):
    path = tmp_path / "model.npz"
    save_recommender(fitted, "everything", path)
    return path


def test_what_is_loaded_answers_as_what_was_saved(fitted, saved):
    loaded = load_recommender(saved, model=Everything)
    assert (loaded.factors, loaded.rate, loaded.how, loaded.layers, loaded.limit) == (2, 0.5, "plain", (1,), None)
    users = np.arange(4)
    assert_array_equal(loaded.rank(users), fitted.rank(users))
    assert_array_equal(loaded.predict(users, users % 3), fitted.predict(users, users % 3))
    assert [path.name for path in saved.parent.iterdir()] == ["model.npz"]


def test_every_sort_of_attribute_keeps_its_value_and_its_type(fitted, saved):
    loaded = load_recommender(saved, model=Everything)
    assert (loaded.epochs_, loaded.mean_, loaded.best_, loaded.name_) == (7, 0.1 + 0.2, None, "ü")
    assert (type(loaded.epochs_), loaded.done_, loaded.far_) == (int, True, float("inf"))
    assert (loaded.scalar_, type(loaded.scalar_)) == (np.float32(0.1), np.float32)
    assert loaded.vectors_.dtype == np.float32
    assert isinstance(loaded.ratings_, sparse.csr_array)
    assert loaded.ratings_.dtype == np.float32
    assert_array_equal(loaded.ratings_.toarray(), fitted.ratings_.toarray())
    assert list(loaded.weights_) == ["first", "empty"]
    for name, part in fitted.weights_["first"].items():
        assert_array_equal(loaded.weights_["first"][name], part)
    assert isinstance(loaded.pair_, tuple)
    for one, other in zip(loaded.pair_, fitted.pair_, strict=True):
        assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert_array_equal(loaded.names_[0], [0, 1])
    assert loaded.names_[1] == 3
    assert not hasattr(loaded, "scratch")


def test_the_same_model_gives_the_same_bytes(fitted, saved, tmp_path):
    save_recommender(fitted, "everything", tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("value", [object(), np.array([object()]), {1: np.zeros(2)}, {"a": {"b": print}}, {1, 2}])
def test_what_cannot_be_saved_is_told_and_nothing_is_written(fitted, tmp_path, value):
    fitted.odd_ = value
    with pytest.raises(ContractError, match=r"Everything\.odd_.* cannot be saved"):
        save_recommender(fitted, "everything", tmp_path / "model.npz")
    assert [*tmp_path.iterdir()] == []


# --- every registered recommender ----------------------------------------------------------------------------------


def recommenders():
    """Return the registered recommenders' names; the neural ones take seconds to compile."""
    targets = {name: entry.target for name, entry in MODELS.entries().items() if ".recommenders." in entry.target}
    return [
        pytest.param(name, marks=[pytest.mark.slow] if ".neural." in target else []) for name, target in targets.items()
    ]


def rated():
    """Every user rates half of the items, of which something is known."""
    rng = np.random.default_rng(1)
    users, items = np.nonzero(rng.random((30, 24)) < 0.5)
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    titles = np.full(24, "", dtype=object)
    content = ItemTable(np.arange(24), titles, ("Drama", "War"), rng.random((24, 2)) < 0.5)
    times = np.arange(len(users))
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, 30, 24, 1.0, 5.0, times, content)


@pytest.mark.parametrize("name", recommenders())
def test_every_recommender_comes_back_from_its_name(name, tmp_path):
    entry = MODELS.get(name)
    if ".neural." in entry.target:
        pytest.importorskip("jax")
    model = entry.load()().fit(Training(rated()), rng=np.random.default_rng(0))
    save_recommender(model, name, tmp_path / "model.npz")
    loaded = load_recommender(tmp_path / "model.npz")
    assert type(loaded) is type(model)
    users, items = np.arange(30).repeat(24), np.tile(np.arange(24), 30)
    query = Pairs(users, items) if model.task == "rating-prediction" else Lists(np.arange(30))
    assert_array_equal(loaded.score(query), model.score(query))
    one, other = loaded.item_vectors(), model.item_vectors()
    assert (one is None) == (other is None)
    if one is not None:
        assert_array_equal(one, other)


# --- files from elsewhere ------------------------------------------------------------------------------------------


def rewrite(path, change=lambda header: None, **arrays):
    """Write a saved model anew with another header and other arrays."""
    with np.load(path) as archive:
        kept = {name: archive[name] for name in archive.files}
    header = json.loads(str(kept.pop("header")))
    change(header)
    np.savez(path, header=np.array(json.dumps(header)), **(kept | arrays))


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        load_recommender(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def array_of(path, attribute):
    """Return the key of an attribute's first array."""
    with np.load(path) as archive:
        code = json.loads(str(archive["header"]))["fitted"][attribute]
    return code["sparse"]["parts"][1]["array"] if "sparse" in code else code["array"]


def test_an_object_array_is_never_unpickled(saved, tmp_path):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return Path.touch, (ran,)

    rewrite(saved, **{array_of(saved, "vectors_"): np.array([Bomb()], dtype=object)})
    assert "broken or other file" in refused(saved, model=Everything)
    assert not ran.exists()


def test_sparse_indices_out_of_bounds_are_refused(saved):
    rewrite(saved, **{array_of(saved, "ratings_"): np.array([0, 2, 1, 10**6], np.int32)})
    assert "broken or other file" in refused(saved, model=Everything)


CHANGES = {
    "another format": (lambda header: header.update(format=99), "must be of format 1, found 99"),
    "no format": (lambda header: header.pop("format"), "broken or other file (KeyError: 'format'"),
    "an unknown parameter": (lambda header: header["params"].update(power=3), "Everything has no parameter 'power'"),
    "a parameter of another type": (
        lambda header: header["params"].update(factors="rm"),
        "parameter 'factors' must be of type int, found str",
    ),
    "a method": (lambda header: header["fitted"].update(rank={"value": 1}), "an attribute 'rank'"),
    "a hyperparameter": (lambda header: header["fitted"].update(factors={"value": "x"}), "an attribute 'factors'"),
    "a private attribute": (lambda header: header["fitted"].update(__class__={"value": 1}), "an attribute '__class__'"),
    "an array that is not there": (lambda header: header["fitted"].update(x_={"array": "array99"}), "broken or other"),
    "a value of another kind": (lambda header: header["fitted"].update(x_={"eval": "1"}), "KeyError: 'eval'"),
    "no value": (lambda header: header["fitted"].update(x_=[]), "broken or other file"),
    "a list for attributes": (lambda header: header.update(fitted=[1]), "broken or other file"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_a_header_that_is_not_ours_is_refused(saved, change, words):
    rewrite(saved, change)
    assert words in refused(saved, model=Everything)


def test_a_model_that_is_not_registered_is_told(saved):
    assert "there is no model 'everything'" in refused(saved)


def test_a_registered_model_that_is_no_recommender_is_refused(fitted, tmp_path):
    save_recommender(fitted, "isolation-forest", tmp_path / "m.npz")
    assert "must name a recommender, found 'isolation-forest'" in refused(tmp_path / "m.npz")


def test_broken_files_are_told(saved, tmp_path):
    content = saved.read_bytes()
    for broken in (b"", b"text", content[: len(content) // 2]):
        saved.write_bytes(broken)
        assert "broken or other file" in refused(saved, model=Everything)
    np.savez(saved, X=np.zeros(3))
    assert "broken or other file" in refused(saved, model=Everything)
    np.savez(saved, header=np.array("{nested"))
    assert "broken or other file" in refused(saved, model=Everything)
    np.savez(saved, header=np.array("[" * 100_000))
    assert "broken or other file" in refused(saved, model=Everything)
    assert "found no such file" in refused(tmp_path / "absent.npz", model=Everything)


def test_nothing_compressed_is_unpacked(saved):
    with np.load(saved) as archive:
        np.savez_compressed(saved.with_name("small.npz"), **{name: archive[name] for name in archive.files})
    assert "compressed" in refused(saved.with_name("small.npz"), model=Everything)


def test_a_damaged_byte_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        member = next(one for one in archive.infolist() if one.filename.startswith(array_of(saved, "vectors_")))
    content[member.header_offset + 220] ^= 0xFF
    saved.write_bytes(content)
    assert "broken or other file" in refused(saved, model=Everything)
