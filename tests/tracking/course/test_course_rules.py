"""What course.toml may say, and what a wrong one is answered."""

from datetime import UTC, datetime, timedelta

import pytest

from anomaly_lab.errors import ConfigError, DataError
from tracking.course.rules import check_team
from tracking.course.rules_file import read_rules

SMALL = 'title = "T"\n[[rounds]]\nname = "one"\n'


def rules_of(tmp_path, text):
    path = tmp_path / "course.toml"
    path.write_text(text)
    return read_rules(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 1\n[[rounds]]\nname='a'", "title must be a text, found 1"),
        ("title='T'", "rounds must be at least one"),
        (SMALL + "colour = 'red'", r"rounds\[1\]\.colour must be one of the keys"),
        ("metrik = 'auc'\n" + SMALL, "metrik must be one of the keys"),
        (SMALL + "[ranking]\nmetric = 'rmse'", r"ranking\.metric must be one of auc, .* found 'rmse'"),
        (SMALL + "[ranking]\ntie_margin = -1", r"ranking\.tie_margin must be a number from 0 on, found -1"),
        (SMALL + "[ranking]\ntie_margin = nan", r"ranking\.tie_margin must be a number from 0 on"),
        (SMALL + "[submissions]\nper_round = true", r"submissions\.per_round must be a number"),
        (SMALL + "[submissions]\nper_round = 1.5", r"submissions\.per_round must be a whole number"),
        (SMALL + "[deadlines]\nlate = 'maybe'", r"deadlines\.late must be one of refuse, penalty"),
        (SMALL + "deadline = 'noon'", r"rounds\[1\]\.deadline must be a date and time"),
        (SMALL + "weight = 0", r"rounds\[1\]\.weight must be above 0"),
        (SMALL + "[[rounds]]\nname = 'one'", "another name for each round"),
        ("title='T'\n[[rounds]]\nname = '../up'", r"rounds\[1\]\.name must be letters, digits"),
        ("timezone = 'Mars/Olympus'\n" + SMALL, "timezone must be the name of a time zone"),
        ("timezone = '/etc/passwd'\n" + SMALL, "timezone must be the name of a time zone"),
        ("teams = ['a', 3]\n" + SMALL, "teams must be a list of names"),
        ('teams = ["a\\u200b"]\n' + SMALL, "a team's name must be"),
        ("title = ", "must be TOML"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words) as told:
        rules_of(tmp_path, text)
    assert str(told.value).startswith(str(tmp_path / "course.toml"))
    assert "\n" not in str(told.value)


def test_missing_rules_say_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="run `anomaly-lab course init`"):
        read_rules(tmp_path / "course.toml")


def test_deadlines_are_of_the_courses_zone_unless_they_name_another(tmp_path):
    text = 'title = "T"\ntimezone = "Europe/Berlin"\n'
    text += '[[rounds]]\nname = "a"\ndeadline = "2026-12-02 12:00"\n'
    text += '[[rounds]]\nname = "b"\ndeadline = 2026-12-02T12:00:00Z\n'
    rules = rules_of(tmp_path, text)
    assert rules.round("a").deadline == datetime(2026, 12, 2, 11, tzinfo=UTC)
    assert rules.round("2").deadline == datetime(2026, 12, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "days"), [(-1, 0), (0, 0), (60 * 5, 0), (60 * 5 + 1, 1), (86400 + 300, 1), (86400 + 301, 2)]
)
def test_days_late_are_those_begun_after_the_grace(tmp_path, after, days):
    rules = rules_of(tmp_path, SMALL + "deadline = '2026-12-02 12:00'\n[deadlines]\ngrace_minutes = 5")
    one = rules.round("one")
    assert rules.days_late(one, one.deadline + timedelta(seconds=after)) == days


@pytest.mark.parametrize("name", ["", " ", " a", "a\n", "x" * 61, "a\u202eb"])
def test_invisible_names_are_no_teams(name):
    with pytest.raises(DataError, match="a team's name must be"):
        check_team(name)
