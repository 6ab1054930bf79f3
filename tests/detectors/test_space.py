"""A hyperparameter's type, default and range stand on one line, and nothing outside them is accepted."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from anomaly_lab.errors import ConfigError
from anomaly_lab.space import check_params, defaults, parse_params, search_space


@dataclass
class Model:
    rate: Annotated[float, FloatDistribution(0.1, 10.0, log=True)] = 1.0
    size: Annotated[int, IntDistribution(1, 64)] = 8
    norm: Annotated[str, CategoricalDistribution(("l1", "l2"))] = "l2"
    exact: bool = False


def test_the_space_holds_what_has_a_range_and_the_defaults_hold_everything():
    assert set(search_space(Model)) == {"rate", "size", "norm"}
    assert defaults(Model) == {"rate": 1.0, "size": 8, "norm": "l2", "exact": False}


def test_text_is_parsed_by_type():
    parsed = parse_params(Model, {"rate": "2", "size": "3", "norm": "l1", "exact": "True"}, "model")
    assert parsed == {"rate": 2.0, "size": 3, "norm": "l1", "exact": True}
    assert [type(value) for value in parsed.values()] == [float, int, str, bool]


@given(rate=st.floats(0.1, 10.0), size=st.integers(1, 64), norm=st.sampled_from(["l1", "l2"]))
def test_what_lies_inside_the_ranges_survives_being_typed(rate, size, norm):
    given_ = {"rate": rate, "size": size, "norm": norm}
    assert parse_params(Model, {key: str(value) for key, value in given_.items()}, "model") == given_
    check_params(Model, given_, "model")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speed": "1"}, "model has no parameter 'speed'; it has rate, size, norm, exact"),
        ({"rate": "11"}, r"model: rate must lie in \[0.1, 10.0\], found 11.0"),
        ({"rate": "nan"}, r"model: rate must lie in \[0.1, 10.0\], found nan"),
        ({"size": "0"}, r"model: size must lie in \[1, 64\], found 0"),
        ({"size": "2.5"}, "model: size must be of type int, found 2.5"),
        ({"norm": "l3"}, "model: norm must be one of l1, l2, found l3"),
        ({"exact": "yes"}, "model: exact must be of type bool, found yes"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(settings, message):
    with pytest.raises(ConfigError, match=message):
        parse_params(Model, settings, "model")
