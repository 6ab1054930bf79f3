"""The commands around what is registered: models, attacks, check."""

from __future__ import annotations

from typing import Annotated

import typer

from anomaly_lab.errors import ConfigError
from experiments.options import AsJson


def models(as_json: AsJson = False) -> None:
    """List every registered detector; none is imported."""
    from anomaly_lab.registry import MODELS
    from experiments.listing import adapted, print_listing, registered

    rows = [
        {"name": row.pop("name"), "task": entry.constant("task") or "fake-users"} | row
        for row, entry in zip(registered(MODELS), MODELS.entries().values(), strict=True)
    ]
    if not as_json:  # a program that reads the list wants names that run
        rows += [{"name": row.pop("name"), "task": "fake-users"} | row for row in adapted(MODELS)]
    print_listing(rows, as_json)


def attacks(as_json: AsJson = False) -> None:
    """List every registered attack; none is imported."""
    from anomaly_lab.registry import ATTACKS
    from experiments.listing import print_listing, registered

    print_listing(registered(ATTACKS), as_json)


def check(name: Annotated[str, typer.Argument(help="A registered detector.")], as_json: AsJson = False) -> None:
    """Run the conformance checks on a detector."""
    from anomaly_lab.testing import check_model
    from experiments import show

    table = check_model(name)
    if as_json:
        typer.echo(show.to_json(show.records(table)))
    else:
        show.print_table(table.assign(passed=table["passed"].map({True: "yes", False: "NO"})))
    if not table["passed"].all():
        raise ConfigError(f"'{name}' fails {int((~table['passed']).sum())} of {len(table)} checks; see above")
