"""The command line: each command is one public function of a module that is imported when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from anomaly_lab.errors import LabError
from anomaly_lab.registry import Entry

COMMANDS = {
    "tune": "experiments.cli_tune:tune",
    "leaderboard": "experiments.cli_leaderboard:leaderboard",
    "evaluate": "experiments.cli_evaluate:evaluate",
    "ablate": "experiments.cli_ablate:ablate",
    "benchmark": "experiments.cli_benchmark:benchmark",
    "export": "experiments.cli_handin:export",
    "score": "experiments.cli_handin:score",
    "record": "experiments.cli_handin:record",
    "attacks": "experiments.cli_models:attacks",
    "simulate": "experiments.cli_simulate:simulate",
    "models": "experiments.cli_models:models",
    "check": "experiments.cli_models:check",
    "recommend": "experiments.cli_recommend:recommend",
    "similar": "experiments.cli_recommend:similar",
    "describe": "experiments.cli_describe:describe",
    "statistics": "experiments.cli_statistics:statistics",
    "explain": "experiments.cli_explain:explain",
    "detect": "experiments.cli_detect:detect",
    "report": "experiments.cli_report:report",
    "data": "experiments.cli_data:data",
    "course": "experiments.cli_course:course",
    "ui": "experiments.cli_leaderboard:ui",
}
"""Every command in the order of the help, and the function that it is."""


class LazyGroup(TyperGroup):
    """A group that imports a command's module when the command is called or asked for its own help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        names: Any = dict.fromkeys(COMMANDS)
        self.commands = names  # for the list and for typos

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, imported now; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name].split(":")
        found = importlib.import_module(module)
        own = getattr(found, "app", None) or typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        if not hasattr(found, "app"):
            own.command(cmd_name)(getattr(found, function))
        return get_command(own)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without rich, which takes longer to import than all the rest."""
        self.rich_markup_mode = None
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command's name and the first line of its docstring, read from the source."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, Entry(name, target).summary) for name, target in COMMANDS.items()])


app = typer.Typer(
    name="anomaly-lab",
    cls=LazyGroup,
    help="Find generated users in rating data: tune, track, rank, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def anomaly_lab() -> None:
    """Find generated users in rating data: tune, track, rank, export."""


def main() -> None:
    """Run the command line: exit 0, 2 for a user's mistake, 1 for our own fault."""
    try:
        app()
    except LabError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
