"""The board as its readers see it: in Chromium, wide and narrow, light and dark, with hostile names."""

import pytest

from tracking.course.snapshots import write_board
from tracking.course.standings import close_round

pytestmark = pytest.mark.slow

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"><svg onload=alert(3)>",
    "</style><h1>{{ 1234*5678 }}",
    "Ümit & Söhne",
)  # fmt: skip


@pytest.fixture
def page(new_course, hand_in):
    """The board of a course with a closed and an open round, and teams of hostile names."""
    course = new_course(release=2)
    for strength, team in enumerate(HOSTILE, start=1):
        hand_in(course, team, strength)
    hand_in(course, "base", 0.5, baseline=True)
    close_round(course, "1", early=True)
    hand_in(course, HOSTILE[0], 2, number="2")
    return write_board(course)[0]


def column(seen, number):
    cells = seen.page.locator(f"#table-round1 tbody tr:visible > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_the_board_loads_nothing_complains_of_nothing_and_runs_no_name(page, visit):
    for options in (
        {"viewport": {"width": 390, "height": 800}},
        {"color_scheme": "dark"},
        {"java_script_enabled": False},
    ):
        with visit(page, **options) as seen:
            shown = seen.page.inner_text("body")
            assert all(team in shown for team in HOSTILE)
            assert "7006652" not in shown
            assert seen.page.locator("h1").count() == 1
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            if options.get("java_script_enabled", True):
                assert seen.page.evaluate(wide) <= 0
            assert (seen.requests, seen.errors) == ([], [])


def test_rows_are_sorted_by_any_column_and_found_by_name(page, visit):
    with visit(page) as seen:
        assert column(seen, 1) == ["1", "2", "3", "4", "5", "6"]
        auc = column(seen, 4)
        seen.page.click("#table-round1 thead button:has-text('AUC')")
        assert column(seen, 4) == sorted(auc, reverse=True)
        seen.page.click("#table-round1 thead button:has-text('AUC')")
        assert column(seen, 4) == sorted(auc)
        assert seen.page.locator("#table-round1 th[aria-sort]").all_inner_texts()[0].startswith("AUC")
        seen.page.click("#table-round1 thead button:has-text('Rank')")
        assert column(seen, 1) == ["1", "2", "3", "4", "5", "6"]
        seen.page.fill("input[data-filters=table-round1]", "ümit")
        assert column(seen, 3) == ["Ümit & Söhne"]
        assert seen.page.inner_text("output[data-counts=table-round1]") == "1 of 6"
        assert seen.errors == []


def test_tabs_open_by_mouse_and_by_keys(page, visit):
    with visit(page) as seen:
        chosen = "[role=tab][aria-selected=true]"
        assert seen.page.inner_text(chosen) == "round1"
        seen.page.click("#tab-round2")
        assert seen.page.is_visible("#panel-round2")
        assert not seen.page.is_visible("#panel-round1")
        assert "Figures are shown when the round is closed" in seen.page.inner_text("#panel-round2")
        seen.page.keyboard.press("ArrowRight")
        seen.page.keyboard.press("ArrowRight")
        assert seen.page.inner_text(chosen) == "Overall"
        assert seen.page.locator("#table-overall tbody tr").count() == len(HOSTILE)


def test_light_and_dark_follow_the_reader(page, visit):
    colours = "getComputedStyle(document.body).backgroundColor"
    with visit(page, color_scheme="light") as seen:
        light = seen.page.evaluate(colours)
        seen.page.click("button.theme")
        dark = seen.page.evaluate(colours)
    with visit(page, color_scheme="dark") as seen:
        assert seen.page.evaluate(colours) == dark
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 26)")


def test_a_place_that_moved_a_badge_and_an_interval_are_read_out(page, visit):
    with visit(page) as seen:
        row = seen.page.locator("#table-round1 tbody tr", has_text="base")
        assert row.locator(".badge").inner_text() == "baseline"
        assert row.locator("svg[role=img]").get_attribute("aria-label").startswith("95 % interval 0.")
        assert seen.page.locator("#table-round1 caption").count() == 1
        assert seen.page.locator("#table-round1 tbody th[scope=row]").count() == len(HOSTILE) + 1
