"""Mistakes at a threshold: counted on the right side, the worst first."""

import numpy as np

from anomaly_lab.evaluation.mistakes import EXAMPLES, mistakes

USERS = np.array([10, 11, 12, 13, 14, 15])
FAKE = np.array([0, 0, 1, 1, 1, 0])
SCORES = np.array([0.9, 0.5, 0.1, 0.4, 0.8, 0.2])


def test_wrong_users_stand_worst_first():
    table = mistakes(USERS, FAKE, SCORES, 0.5).set_index("kind")
    assert table.loc["genuine", "worst"] == [10, 11]  # a score at the threshold is flagged
    assert table.loc["generated", "worst"] == [12, 13]
    assert table["wrong"].tolist() == [2, 2]
    assert table["mistake"].tolist() == ["accused", "missed"]
    assert np.allclose(table["share"], 2 / 3)


def test_kinds_stand_apart():
    table = mistakes(USERS, FAKE, SCORES, 0.5, np.array([0, 0, 2, 5, 5, 0])).set_index("kind")
    assert table["users"].to_dict() == {"genuine": 3, "kind 2": 1, "kind 5": 2}
    assert table["worst"].tolist() == [[10, 11], [12], [13]]


def test_only_a_few_examples_are_named():
    n = 4 * EXAMPLES
    table = mistakes(np.arange(n), np.repeat([0, 1], n // 2), np.linspace(1, 0, n), 0.5)
    assert table["wrong"].tolist() == [n // 2, n // 2]
    assert table["worst"].map(len).tolist() == [EXAMPLES, EXAMPLES]
    assert table["worst"].iloc[0] == [*range(EXAMPLES)]
