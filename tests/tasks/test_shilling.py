"""A benchmark's cells: who is in them, what is known of them, and what must not give the fakes away."""

import numpy as np
import pytest

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.question import Question
from anomaly_lab.tasks.shilling import OTHER_ATTACKS, PROTOCOLS, SAME_ATTACK, Cell, ShillingBenchmark

N_USERS, N_ITEMS = 200, 150
TASK = ShillingBenchmark(("random", "hybrid", "love-hate"), (0.05, 0.1), (0.04, 0.1), 2)


def log_of(*, names=None, n_users=N_USERS):
    one = random_round(seed=3, n_users=n_users, n_items=N_ITEMS, n_fakes=0)
    ids = np.arange(n_users) if names is None else names
    batch = RatingBatch.from_rows(ids[one.users], one.items, one.ratings, scale=one.scale)
    return Round(batch, name="log")


LOG = log_of()


def folds_of(cell, log=LOG, task=TASK):
    return list(Question((log,), cell.name, task).folds())


def fakes_of(fold):
    return fold.query[fold.truth == 1]


def test_a_benchmark_asks_every_cell_once():
    cells = TASK.cells(SAME_ATTACK)
    assert len({cell.name for cell in cells}) == len(cells) == 3 * 2 * 2 * 2


@pytest.mark.parametrize(("protocol", "n_genuine"), [(SAME_ATTACK, 150), (OTHER_ATTACKS, 100)])
def test_a_cell_has_as_many_fakes_and_fillers_as_it_says(protocol, n_genuine):
    cell = Cell(protocol, "random", 0.1, 0.04, 0)
    folds = folds_of(cell)
    asked = np.concatenate([fold.truth for fold in folds])
    assert (asked == 0).sum() == n_genuine
    assert asked.sum() == n_genuine / 10
    for fold in folds:
        lengths = np.bincount(fold.pool.ratings.users)[fakes_of(fold)]
        assert set(lengths) == {7}, "4 % of 150 items, and the target"


def test_half_of_the_labels_are_known_where_the_attack_is_the_same():
    folds = folds_of(Cell(SAME_ATTACK, "hybrid", 0.1, 0.04, 0))
    assert len(folds) == 2
    for fold, other in zip(folds, folds[::-1], strict=True):
        np.testing.assert_array_equal(np.flatnonzero(fold.visible >= 0), other.query)
        assert 6 <= fold.truth.sum() <= 9


def test_of_other_attacks_nothing_is_known_of_the_one_that_is_asked_about():
    (fold,) = folds_of(Cell(OTHER_ATTACKS, "hybrid", 0.05, 0.1, 0))
    assert (fold.visible[fold.query] == -1).all()
    assert sorted(np.unique(fold.known_kinds[fold.visible == 1])) == [1, 2], "random and love-hate"
    known = np.bincount(fold.pool.ratings.users)[fold.visible == 1]
    assert np.ptp(known) > 8, "of every length"


def test_labelled_fakes_are_of_all_lengths_whatever_sizes_are_asked_about():
    one_size = ShillingBenchmark(TASK.attacks, (0.1,), (0.1,), 1)
    batches = [
        folds_of(Cell(OTHER_ATTACKS, "hybrid", 0.1, 0.1, 0), task=task)[0].pool.batches for task in (TASK, one_size)
    ]
    assert batches[0][0].digest == batches[1][0].digest


def test_every_size_of_an_attack_meets_the_same_labelled_batch_and_people():
    (one,), (other,) = (
        folds_of(Cell(OTHER_ATTACKS, "hybrid", size, fill, 0)) for size, fill in [(0.05, 0.1), (0.1, 0.04)]
    )
    assert one.pool.batches[0].digest == other.pool.batches[0].digest

    def people(fold):
        profiles = fold.pool.ratings.profiles[fold.query[fold.truth == 0]]
        return {row.tobytes() for row in profiles}

    assert people(one) == people(other)


def table_of(batch, items):
    """The ratings of a batch's users on the log's items, `items` being the place of each."""
    table = np.full((batch.n_users, N_ITEMS), -1)
    np.maximum.at(table, (batch.users, items[batch.items]), batch.ratings)  # the highest of several, as fakes have it
    return table


def copied(fold, users, batch):
    """The users of the log whom some copies of real users, the target added, copy."""
    cell, log = fold.pool.batches[batch], LOG.ratings
    own = table_of(cell, cell.item_ids)[fold.pool.row_of[users]]
    same = (own[:, None] == table_of(log, np.arange(log.n_items))[None]).sum(axis=2) >= N_ITEMS - 1
    assert (same.sum(axis=1) == 1).all()
    return set(same.argmax(axis=1).tolist())


def test_fakes_are_made_from_users_whom_no_batch_holds_each_batch_from_its_own(monkeypatch):
    monkeypatch.setattr("anomaly_lab.tasks.shilling.LABELLED_FILLERS", (1.0, 1.0))  # whole copies can be told
    task = ShillingBenchmark(("power-user", "random"), (0.1,), (1.0,), 1)
    (same, _) = folds_of(Cell(SAME_ATTACK, "power-user", 0.1, 1.0, 0), task=task)
    assert not copied(same, fakes_of(same), 0) & copied(same, np.flatnonzero(same.visible == 0), 0)
    (other,) = folds_of(Cell(OTHER_ATTACKS, "random", 0.1, 1.0, 0), task=task)
    (asked,) = folds_of(Cell(OTHER_ATTACKS, "power-user", 0.1, 1.0, 0), task=task)
    donors = [copied(other, np.flatnonzero(other.visible == 1), 0), copied(asked, fakes_of(asked), 1)]
    people = [copied(other, np.flatnonzero(other.visible == 0), 0), copied(asked, asked.query[asked.truth == 0], 1)]
    assert [len(one) for one in people] == [50, 100]
    assert not donors[0] & donors[1]
    assert not set.union(*donors) & set.union(*people)


def test_ids_tell_nothing():
    fold = folds_of(Cell(SAME_ATTACK, "random", 0.1, 0.1, 0))[0]
    (batch,) = fold.pool.batches
    assert sorted(batch.user_ids) == list(range(165))
    fake = np.concatenate(
        [one.pool.ratings.user_ids[fakes_of(one)] for one in folds_of(Cell(SAME_ATTACK, "random", 0.1, 0.1, 0))]
    )
    assert fake.min() < 50
    assert fake.max() > 115


def test_what_users_of_the_log_are_called_changes_nothing():
    names = np.random.default_rng(5).permutation(1000)[:N_USERS]
    for protocol in PROTOCOLS:
        cell = Cell(protocol, "hybrid", 0.1, 0.1, 1)
        for one, other in zip(folds_of(cell), folds_of(cell, log_of(names=names)), strict=True):
            assert one.pool.digest == other.pool.digest
            np.testing.assert_array_equal(one.truth, other.truth)


def test_seeds_and_attacks_have_fakes_of_their_own():
    cells = [Cell(SAME_ATTACK, attack, 0.1, 0.1, seed) for attack in ("random", "hybrid") for seed in (0, 1)]
    assert len({folds_of(cell)[0].pool.digest for cell in cells}) == 4


def test_an_answer_hangs_on_the_other_attacks_only_where_they_are_learnt_from():
    fewer = ShillingBenchmark(("random", "hybrid"), (0.05, 0.1), (0.04, 0.1), 2)
    for protocol, same in ((SAME_ATTACK, True), (OTHER_ATTACKS, False)):
        cell = Cell(protocol, "hybrid", 0.1, 0.1, 0)
        assert (fewer.key(LOG, cell) == TASK.key(LOG, cell)) == same
    assert TASK.key(LOG, Cell(SAME_ATTACK, "random", 0.1, 0.1, 0)) != TASK.key(
        LOG, Cell(SAME_ATTACK, "random", 0.1, 0.1, 1)
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attacks": ("randm",)}, "did you mean random"),
        ({"attacks": ("random", "random")}, "--attack must name at least one, each once"),
        ({"attack_sizes": (0.0,)}, "--attack-size must be a share in"),
        ({"filler_sizes": (2.0,)}, "--filler-size must be a share in"),
        ({"n_seeds": 0}, "--seeds must be at least 1"),
    ],
)
def test_a_wrong_setting_is_told(settings, message):
    with pytest.raises(ConfigError, match=message):
        ShillingBenchmark(**settings)


def test_what_cannot_be_asked_is_told():
    with pytest.raises(ConfigError, match="must be one of same-attack, other-attacks, found 'next-round'"):
        Question((LOG,), "next-round", TASK)
    with pytest.raises(ConfigError, match="must have two attacks or more"):
        Question((LOG,), OTHER_ATTACKS, ShillingBenchmark(("random",)))
    with pytest.raises(DataError, match=r"at least 2 fakes, found 1 \(0.01 of 100 genuine users\); give a larger"):
        Question((LOG,), OTHER_ATTACKS, ShillingBenchmark())
    with pytest.raises(DataError, match="at least 40 genuine users"):
        Question((log_of(n_users=30),), SAME_ATTACK, TASK)
