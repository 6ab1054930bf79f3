"""Neural recommenders: the seeds' sanity checks, and that training is reproducible and says what it does."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.recommenders.base import Lists, Pairs, Training
from anomaly_lab.registry import MODELS

pytest.importorskip("jax")

IDS = {"factors": 8, "learning_rate": 0.02, "batch_size": 64}
ROWS = {"units": 8, "learning_rate": 0.02, "batch_size": 64, "layers": 1}
TINY = {
    "embedding-regressor": {"hidden": 32, "learning_rate": 0.1, "batch_size": 64},
    "neumf": IDS,
    "gmf": IDS,
    "neural-mlp": IDS,
    "neumf-masked": ROWS,
    "gmf-masked": ROWS,
    "mlp-masked": ROWS,
    "two-tower": {"learning_rate": 0.003, "decay": 0.0, "batch_size": 64},
    "triplet": {"learning_rate": 0.01, "batch_size": 256, "factors": 16, "networks": 1},
}
"""Small models; a network is compiled once here, for its rows are always as many."""
EVERY_VARIANT = [
    pytest.param(name, marks=[] if name == "gmf" else [pytest.mark.slow]) for name in TINY if name != "triplet"
]
"""Compiling a network takes seconds, so few are tried by the fast tests."""
COLD_USER, COLD_ITEM = 3, 5
FITTED_SCALES = ("user_centre", "user_spread", "item_centre", "item_spread")
"""Inputs of the towers that belong to the network: what it standardises by."""


def log(*, taste=True, seed=0):
    """Return ratings 1-5: of users' and items' biases and a factor, or shuffled, which leaves nothing to learn.

    One user and one item have no rating.
    """
    rng = np.random.default_rng(seed)
    rated = rng.random((30, 25)) < 0.5
    rated[COLD_USER], rated[:, COLD_ITEM] = False, False
    users, items = np.nonzero(rated)
    bias = rng.normal(0, 0.7, 30)[:, None] + rng.normal(0, 0.7, 25)
    values = bias + np.outer(rng.normal(0, 0.7, 30), rng.normal(0, 1, 25))
    values = np.clip(np.round(3 + values[users, items]), 1, 5).astype(np.float32)
    values = values if taste else rng.permutation(values)
    genres = tuple(f"g{number}" for number in range(6))
    content = ItemTable(np.arange(25), np.full(25, ""), genres, rng.random((25, 6)) < 0.4)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, 30, 25, 1, 5, None, content)


def split(known):
    test = np.random.default_rng(1).random(len(known)) < 0.2
    return known.take(~test), known.take(test)


def fitted(name, known, validation, *, seed=0, report=None, **params):
    model = MODELS.load(name)(**{**TINY.get(name, {}), **params})
    train = Training(known, validation, report or (lambda epoch, figures: None))
    return model.fit(train, rng=np.random.default_rng(seed))


def rmse(model, rows):
    return np.sqrt(np.mean((model.score(Pairs(rows.users, rows.items)) - rows.values) ** 2))


@pytest.mark.parametrize("name", EVERY_VARIANT)
def test_a_tiny_sample_is_overfitted(name):
    few, _ = split(log())
    model = fitted(name, few, few, max_epochs=200, patience=10, l2=1e-6)
    assert rmse(model, few) < 0.2 * few.values.std()


@pytest.mark.parametrize("name", EVERY_VARIANT)
def test_shuffled_ratings_are_predicted_worse_than_those_with_structure(name):
    errors = []
    for taste in (True, False):
        known, test = split(log(taste=taste))
        model = fitted(name, known, test, max_epochs=30, l2=1e-3 if name == "two-tower" else 1.0)
        errors.append(rmse(model, test) / test.values.std())
    assert errors[0] < 0.85
    assert errors[1] > 0.9


@pytest.mark.parametrize("name", EVERY_VARIANT)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(name):
    known, test = split(log())
    first, again, other = (
        fitted(name, known, test, seed=seed, max_epochs=2).predict(test.users, test.items) for seed in (0, 0, 1)
    )
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    "name", ["mlp-masked", *(pytest.param(name, marks=pytest.mark.slow) for name in ("neumf-masked", "two-tower"))]
)
def test_the_rating_asked_for_is_not_seen(name):
    """With the network's parameters as they are, another rating of a pair says nothing of it, but of its neighbours."""
    known, test = split(log())
    model = fitted(name, known, test, max_epochs=3)
    changed = known.values.copy()
    changed[7] = 1 if changed[7] > 3 else 5
    before, mean = model.predict(known.users, known.items), model.mean_
    inputs = model.prepare(_with_mean(replace(known, values=changed), mean))
    inputs |= {name: value for name, value in model.inputs_.items() if name.startswith(FITTED_SCALES)}
    model.inputs_ = {name: np.asarray(value) for name, value in model.inputs_of(model.params_, inputs).items()}
    model.known_values_ = changed
    after = model.predict(known.users, known.items)
    same_user = known.users == known.users[7]
    same_user[7] = False
    assert after[7] == pytest.approx(before[7], abs=1e-4)
    assert np.abs(after - before)[same_user].max() > 1e-3


def _with_mean(known, mean):
    known.__dict__["mean"] = mean
    return known


def test_every_epoch_is_reported():
    heard = []
    fitted("gmf", *split(log()), max_epochs=3, patience=3, report=lambda *epoch: heard.append(epoch))
    assert [epoch for epoch, _ in heard] == [1, 2, 3]
    assert all(
        set(figures) == {"loss", "validation"} and np.isfinite([*figures.values()]).all() for _, figures in heard
    )


@pytest.mark.parametrize(
    ("name", "param"),
    [
        ("gmf", "l2"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("neumf", "learning_rate"), ("triplet", "margin"))),
    ],
)
def test_a_loss_that_is_not_finite_is_reported_and_is_the_last(name, param):
    heard = []
    rows = positives() if name == "triplet" else log()
    fitted(name, *split(rows), **{param: np.nan}, report=lambda _, figures: heard.append(figures["loss"]))
    assert np.isnan(heard).tolist() == [True]


def test_what_a_report_raises_ends_training():
    def stop(epoch, figures):
        raise InterruptedError(epoch)

    with pytest.raises(InterruptedError, match="1"):
        fitted("gmf", *split(log()), report=stop)


def test_training_stops_when_validation_grows_worse_and_keeps_the_best_epoch():
    known, test = split(log(taste=False))
    found = []
    model = fitted(
        "gmf",
        known,
        test,
        l2=1e-6,
        patience=2,
        max_epochs=100,
        report=lambda _, figures: found.append(figures["validation"]),
    )
    assert len(found) == np.argmin(found) + 3 < 100
    assert rmse(model, test) == pytest.approx(min(found), abs=1e-6)


@pytest.mark.parametrize("name", EVERY_VARIANT)
def test_users_and_items_without_ratings_get_numbers_on_the_scale(name):
    model = fitted(name, *split(log()), max_epochs=2)
    numbers = model.score(Lists(np.array([COLD_USER, 4])))
    assert numbers.shape == (2, 25)
    assert ((numbers >= 1) & (numbers <= 5)).all()
    assert np.ptp(numbers[0]) > 0


def test_predictions_of_many_pairs_are_those_of_each():
    known, test = split(log())
    model = fitted("gmf", known, test, max_epochs=2)
    users, items = np.tile(known.users, 80), np.tile(known.items, 80)
    many = model.predict(users, items)
    np.testing.assert_allclose(many, np.tile(model.predict(known.users, known.items), 80), atol=1e-6)


def test_two_towers_need_genres():
    known, test = split(replace(log(), content=None))
    with pytest.raises(DataError, match="needs the genres of the items, found none"):
        fitted("two-tower", known, test)


@pytest.mark.slow
def test_descent_with_a_falling_rate_trains_the_towers():
    known, test = split(log())
    losses = []
    fitted(
        "two-tower", known, test, optimiser="sgd", learning_rate=0.05, decay=0.1, max_epochs=5,
        report=lambda _, figures: losses.append(figures["loss"]),
    )  # fmt: skip
    assert losses[-1] < losses[0]


def auc(model, known, held_out):
    """Return the mean share over users of (held-out, unrated) pairs of items in the right order."""
    numbers = model.score(Lists(np.arange(known.n_users)))
    rated, wanted = known.matrix.toarray() > 0, held_out.matrix.toarray() > 0
    shares = [
        np.mean(row[yes][:, None] > row[~(yes | old)])
        for row, yes, old in zip(numbers, wanted, rated, strict=True)
        if yes.any()
    ]
    return np.mean(shares)


def positives(seed=0):
    """Return 200 users who like items of their own third of 60, but for some."""
    rng = np.random.default_rng(seed)
    same_third = np.arange(200)[:, None] % 3 == np.arange(60) % 3
    users, items = np.nonzero(rng.random((200, 60)) < np.where(same_third, 0.5, 0.05))
    ones = np.ones(len(users), dtype=np.float32)
    genre = np.arange(60)[:, None] % 3 == np.arange(3)
    content = ItemTable(np.arange(60), np.full(60, ""), ("a", "b", "c"), genre)
    return Interactions(users.astype(np.int32), items.astype(np.int32), ones, 200, 60, content=content)


def test_untrained_the_triplet_model_is_no_better_than_chance():
    known, test = split(positives())
    models = [fitted("triplet", known, test, seed=seed, max_epochs=0, metadata=False) for seed in range(20)]
    assert np.mean([auc(model, known, test) for model in models]) == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_trained_the_triplet_model_tells_positives_from_other_items():
    known, test = split(positives())
    first, again = (fitted("triplet", known, test, max_epochs=10) for _ in range(2))
    assert auc(first, known, test) > 0.8
    assert first.rank(np.arange(200)).tobytes() == again.rank(np.arange(200)).tobytes()
    np.testing.assert_allclose(np.linalg.norm(first.item_vectors(), axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_of_several_networks_the_first_reports_and_the_mean_answers():
    known, test = split(positives())
    heard = []
    model = fitted("triplet", known, test, networks=2, max_epochs=3, report=lambda epoch, _: heard.append(epoch))
    assert heard == [1, 2, 3]
    alone = fitted("triplet", known, test, max_epochs=3)
    assert model.item_vectors().shape == (60, 2 * 16)
    users, item = np.arange(200), alone.item_vectors()
    np.testing.assert_allclose(model.item_vectors()[:, :16] * np.sqrt(2), item, atol=1e-6)  # the first network
    np.testing.assert_allclose(np.linalg.norm(model.item_vectors(), axis=1), 1, atol=1e-5)
    assert auc(model, known, test) > auc(alone, known, test) - 0.01
    assert model.rank(users).shape == (200, 60)


@pytest.mark.slow
@pytest.mark.parametrize("negatives", ["uniform", "popularity"])
@pytest.mark.parametrize("candidates", [1, 4])
@pytest.mark.parametrize("metadata", [False, True])
@pytest.mark.parametrize("own", [0.0, 0.3])
def test_every_variant_of_the_triplet_model_learns(negatives, candidates, metadata, own):
    known, test = split(positives())
    variant = {"negatives": negatives, "candidates": candidates, "metadata": metadata, "own": own}
    assert auc(fitted("triplet", known, test, max_epochs=20, **variant), known, test) > 0.75


@pytest.mark.slow
def test_negatives_are_items_the_user_has_not_rated():
    import jax.numpy as jnp

    from anomaly_lab.recommenders.neural.triplet import _has_rated

    known = log()
    starts = np.searchsorted(known.users, np.arange(31)).astype(np.int32)
    users, items = np.arange(30), np.tile(np.arange(25), (30, 1))
    found = _has_rated({"rated": jnp.asarray(known.items), "starts": starts}, users, items)
    np.testing.assert_array_equal(found, known.matrix.toarray() > 0)


def test_without_the_extra_models_are_listed_and_say_how_to_install_it():
    code = (
        "import sys, importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name in ('jax', 'optax') else find(name, *rest)\n"
        "from anomaly_lab.registry import MODELS\n"
        "from experiments.listing import registered\n"
        "print({row['name']: row['summary'] for row in registered(MODELS)}['neumf'])\n"
        "print(MODELS.get('neumf').summary, MODELS.get('neumf').constant('task'), 'jax' in sys.modules)\n"
        "MODELS.load('neumf')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.strip().endswith("rating-prediction False")
    assert "summed (He et al., 2017). (needs jax and optax" in ran.stdout.splitlines()[0]
    assert "'neumf' needs jax and optax" in ran.stderr
    assert "pip install 'anomaly-lab[neural]'" in ran.stderr
