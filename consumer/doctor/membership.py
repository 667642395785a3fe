"""Who is there already: members of the model's group, and another model in its topics."""

from __future__ import annotations

from typing import Final

from consumer.checkpoints import contents, requests
from consumer.doctor.findings import Finding, ok, problem
from consumer.doctor.words import listed
from consumer.errors import Fatal
from consumer.kafka.inspection import GroupFacts
from consumer.ports import CheckpointStore, OutputLog
from consumer.recovery import read_standing
from consumer.settings import Settings

ASSIGNOR: Final = "cooperative-sticky"


def check_group(group: GroupFacts | None, instance_id: str) -> list[Finding]:
    if group is None or not group.members:
        return [ok("no worker of this model is running", members=0)]
    if group.assignor != ASSIGNOR:
        return [
            problem(
                f"group {group.name} has {len(group.members)} members that share by {group.assignor or 'no assignor'}: "
                f"they are no workers of this release, which use {ASSIGNOR}, and a worker could not join them",
                "stop those consumers, or give this model another name (model)",
                assignor=group.assignor,
            )
        ]
    same = [member for member in group.members if member.instance_id == instance_id]
    if same:
        return [
            problem(
                f"a worker at {same[0].host.lstrip('/')} is in group {group.name} as {instance_id}: another one with "
                "the same kafka.instance_id and it evict each other",
                "give this slot a kafka.instance_id of its own; if that is the worker of this very slot, stop it "
                "before starting it again",
                instance_id=instance_id,
                host=same[0].host,
            )
        ]
    others = listed([member.instance_id or member.client_id for member in group.members])
    return [ok(f"{len(group.members)} running: {others}; this slot is {instance_id}", members=len(group.members))]


def check_owner(settings: Settings, log: OutputLog, store: CheckpointStore | None) -> list[Finding]:
    """`store` None: there is no checkpoint directory yet."""
    try:
        standing = read_standing(log, settings)
    except Fatal as error:
        return [problem(str(error), "two models in the same row topics overwrite each other's rows")]
    if standing.manifest is None:
        return [ok(f"nothing is published by model {settings.model!r} yet, nor by another to its topics")]
    version = standing.manifest.version
    if store is None or requests.newest(store) is None:
        return [
            problem(
                f"version {version} of model {settings.model!r} is published, but {settings.checkpoints.directory} "
                "has no checkpoint: a worker would refuse to start",
                "bring the checkpoints back (checkpoints.directory), or learn again with `freshrank run --rebuild`",
                version=version,
            )
        ]
    return [ok(f"version {version} of model {settings.model!r} is published", version=version)]


def check_binding(settings: Settings, store: CheckpointStore, partitions: dict[str, int]) -> list[Finding]:
    """Whether the newest checkpoint can be taken up with these settings and these topics."""
    found = requests.readable(store)
    if not found:
        return []
    name, notes = found[-1]
    try:
        contents.check_binding(name, notes.binding, settings)
    except Fatal as error:
        return [problem(str(error), "give the setting its old value, or learn again with `freshrank run --rebuild`")]
    return [
        problem(
            f"{topic} has {partitions[topic]} partitions, but had {n} when {name} was saved: rows of items that moved "
            "would stay where they were for ever",
            "make the topic anew with the old number, or publish to new row topics under another model name",
            topic=topic,
        )
        for topic, n in notes.output_partitions.items()
        if partitions.get(topic, n) != n
    ]
