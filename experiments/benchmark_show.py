"""Benchmark show: a benchmark in a terminal, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from experiments import show
from experiments.benchmark import Benchmarked
from tracking.benchmark_tables import of_attacks, of_sizes, overall

HEADINGS = {"auc": "AUC", "auc_sd": "sd", "worst_attack": "on", "seconds": "s"}


def print_benchmark(found: Benchmarked) -> None:
    """Print what was asked, three tables, and which labels each detector saw."""
    for title, table in _tables(found):
        show.print_table(table, title=title)
    out = show.console()
    out.print("\n[bold]Labels seen[/bold]")
    for name, words in found.labels.items():
        out.print(f"  {name}: {words}")


def to_markdown(found: Benchmarked) -> str:
    """Return the same as Markdown."""
    parts = [f"**{title}**\n\n{show.to_markdown(table)}" for title, table in _tables(found)]
    parts.append("\n".join(f"* `{name}` sees labels of: {words}" for name, words in found.labels.items()))
    return "\n\n".join(parts)


def to_json(found: Benchmarked) -> str:
    """Return everything as JSON: question, summaries, every cell."""
    return show.to_json(
        {
            "question": found.question.fingerprint,
            "title": found.question.title,
            "protocol": found.question.protocol,
            "run": found.run_id,
            "labels": found.labels,
            "overall": show.records(overall(found.cells)),
            "attacks": show.records(of_attacks(found.cells)),
            "sizes": show.records(of_sizes(found.cells)),
            "cells": show.records(found.cells),
            "failures": found.failures,
            "missing": found.n_missing,
            "interrupted": found.interrupted,
        }
    )


def warnings(found: Benchmarked) -> Iterator[str]:
    """Yield what a reader must know of a benchmark that is not whole."""
    yield from (f"failed: {name}: {error}" for name, error in found.failures.items())
    if found.n_missing:
        yield f"{found.n_missing} answers are missing, those there are kept; the same command goes on from here."


def _tables(found: Benchmarked) -> Iterator[tuple[str, pd.DataFrame]]:
    cells, protocol = found.cells, found.question.protocol
    best = overall(cells)
    yield f"{found.question.title}: {found.question.task.protocols[protocol]}", best.rename(columns=HEADINGS)
    yield "mean AUC over sizes, by attack", _wide(of_attacks(cells), "attack", best)
    sizes = of_sizes(cells)
    sizes["size"] = [
        f"{100 * a:g}/{100 * f:g}" for a, f in zip(sizes["attack_size"], sizes["filler_size"], strict=True)
    ]
    yield "mean AUC over attacks, by attack size/filler size in %", _wide(sizes, "size", best)


def _wide(table: pd.DataFrame, column: str, best: pd.DataFrame) -> pd.DataFrame:
    """Return detectors, best first, by one column's values in the order in which they occur."""
    wide = table.pivot_table(index="detector", columns=column, values="auc", sort=False)
    wide = wide.loc[best["detector"], table[column].drop_duplicates()]
    wide.columns.name = None
    return wide.reset_index()
