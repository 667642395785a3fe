"""The application: names of the commands, and the options in front of them."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer import __version__
from consumer.cli import console
from consumer.cli.check_config import check_config
from consumer.cli.checkpoints import checkpoints
from consumer.cli.compare import compare
from consumer.cli.dead_letters import dead_letters
from consumer.cli.demo import demo
from consumer.cli.doctor import doctor
from consumer.cli.evaluate import evaluate
from consumer.cli.exit_codes import EXPLAINED
from consumer.cli.forget_user import forget_user
from consumer.cli.promote import promote
from consumer.cli.recommend import recommend
from consumer.cli.related import related
from consumer.cli.replay import replay
from consumer.cli.rollback import rollback
from consumer.cli.run import run
from consumer.cli.show_config import show_config
from consumer.cli.top import top
from consumer.cli.topics import topics
from consumer.cli.warm_start import warm_start

app = typer.Typer(
    name="freshrank",
    help="Learn from behaviour events as they happen, and publish fresh item scores to Kafka.",
    epilog=EXPLAINED,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    run,
    demo,
    check_config,
    show_config,
    topics,
    doctor,
    top,
    related,
    recommend,
    evaluate,
    warm_start,
    replay,
    compare,
    promote,
    checkpoints,
    rollback,
    forget_user,
)
for command in COMMANDS:
    app.command(epilog=EXPLAINED)(command)
app.add_typer(dead_letters)


def _say_version(is_wanted: bool) -> None:
    if is_wanted:
        console.say(f"freshrank {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the application itself; all they do happens in their callbacks."""
