"""`freshrank topics`."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer.cli import console, options
from consumer.cli.exit_codes import FAULT
from consumer.kafka.topic_admin import DEFAULT_PARTITIONS, TopicAdmin


def topics(
    config: options.ConfigFiles = None,
    create: Annotated[bool, typer.Option("--create", help="Create the topics that are missing.")] = False,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            help="Partitions of item-scores, item-related and item-vectors; they can never be changed later. Default: "
            f"{DEFAULT_PARTITIONS} where a topic is created, any number where it exists.",
            show_default=False,
        ),
    ] = None,
    replication_factor: Annotated[
        int, typer.Option(min=1, max=100, help="Replicas of the topics created; 3 or more in production.")
    ] = 1,
    input_partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            help="With --create: create the input topic too, with so many partitions; it keeps its records for ever.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Verify that the worker's topics exist and are configured as its readers need it; say what differs.

    Topics that exist are never changed. The exit code is 1 where something differs that a worker refuses to start over.
    """
    settings = options.settings_of(config)
    console.be_quiet()
    admin = TopicAdmin(settings, row_partitions=partitions, replication_factor=replication_factor)
    if create:
        for name in admin.create(input_partitions=input_partitions):
            console.say(f"created {name}", style="green")
    findings = admin.differences(input_partitions=input_partitions)
    for finding in findings:
        console.say(
            f"{'wrong' if finding.is_harmful else 'differs'}: {finding}",
            style="red" if finding.is_harmful else "yellow",
        )
    if not findings:
        console.say("all topics are as they should be")
    if any(finding.is_harmful for finding in findings):
        raise typer.Exit(FAULT)
