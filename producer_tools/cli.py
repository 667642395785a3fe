"""The command line: names of the commands, no logic."""

from __future__ import annotations

import typer

from producer_tools.replay_command import replay
from producer_tools.synthetic_command import synthetic

app = typer.Typer(
    name="freshrank-tools",
    help="Write behaviour events to Kafka: made-up ones, or recorded ones again.\n\n"
    "The topic must be there: `freshrank topics --create --input-partitions 4` makes the one that a worker reads.\n\n"
    "Exit codes: 0 everything delivered, 1 a fault, 2 wrong usage, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(synthetic)
app.command()(replay)
