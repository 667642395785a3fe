"""`freshrank demo`."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from consumer.cli import console


def demo(
    seconds: Annotated[float, typer.Option(min=5, max=600, help="How long events flow.")] = 30,
    rate: Annotated[float, typer.Option(min=100, max=20_000, help="Events a second.")] = 2_000,
) -> None:
    """Watch a worker learn for half a minute. Needs no Kafka, Java or Docker.

    The real worker learns a made-up stream from an in-process Kafka; a trend begins on the way, and a reader of the
    output topics sees it arrive. All it starts ends with it, and nothing stays behind.
    """
    from consumer.demo.play import play
    from consumer.demo.scenario import Scenario

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop in order, as for Ctrl-C
    play(console.results, Scenario(seconds, rate))
