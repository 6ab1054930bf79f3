"""A run is fitted again on what it saw of users."""

from pathlib import Path

from anomaly_lab.registry import ALL_FAMILIES, DEFAULT_FAMILIES
from tracking.rebuild import choose_run, recipe
from tracking.store import Store


def test_the_families_that_a_run_saw_are_those_switched_on(tiny_lab: Path):
    store = Store.open(tiny_lab)
    run, _ = choose_run(store, None)
    made, _ = recipe(store, run)
    assert made.features.seen(None) == DEFAULT_FAMILIES
    assert made.features.seen(("seed", *ALL_FAMILIES)) == DEFAULT_FAMILIES
