"""One transaction a version; what a failure at any of its steps leaves behind, which is nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consumer.errors import Fatal, Fenced, Retryable
from consumer.messages import OutputRecord
from consumer.snapshots import formats
from tests.snapshots.rebuilt import last_rows
from tests.snapshots.worlds import LETTERS, MANIFESTS, RELATED, SCORES, Writer, manifests, read_all
from tests.streams import busy_stream

LETTER = OutputRecord(LETTERS, b"user-1", b"not json", (("freshrank-reason", b"undecodable"),))
ROWS = busy_stream(seed=2, n=300, n_items=30, n_users=8)


def versions(writer: Writer) -> list[int]:
    return [manifest.version for manifest in manifests(writer.cluster)]


def failing(error: Exception, at: str) -> Callable[[str], None]:
    def fail(name: str) -> None:
        if name == at:
            raise error

    return fail


def goes_on(_name: str) -> None:
    return None


def test_rows_and_letters_are_delivered_before_the_manifest_and_committed_with_it() -> None:
    writer = Writer()
    writer.learn(ROWS[:50])
    writer.calls.journal.clear()
    writer.publish([LETTER])
    verbs = [entry[:2] if entry[0] == "write" else entry[:1] for entry in writer.calls.journal]
    assert verbs == [
        ("begin",), ("write", LETTERS), ("write", SCORES), ("write", RELATED), ("flush",), ("write", MANIFESTS),
        ("commit",),
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["begin", "write", "flush", "commit"])
def test_a_failed_attempt_changes_nothing_and_the_next_one_has_its_number(step: str) -> None:
    writer, steady = Writer(), Writer()
    for each in (writer, steady):
        each.learn(ROWS[:100])
        each.publish()
        each.learn(ROWS[100:])
    checksum = writer.publisher.rows.checksum
    writer.calls.before_call = failing(Retryable("away"), step)
    for _ in range(3):
        with pytest.raises(Retryable):
            writer.publish([LETTER])
        writer.calls.before_call = goes_on
        writer.publisher.abort()
        assert (writer.publisher.version, writer.publisher.rows.checksum) == (1, checksum)
        writer.calls.before_call = failing(Retryable("away"), step)
    writer.calls.before_call = goes_on
    writer.publish([LETTER])
    steady.publish([LETTER])
    assert versions(writer) == versions(steady) == [1, 2]
    for topic in (SCORES, RELATED):
        assert last_rows(writer.cluster, topic) == last_rows(steady.cluster, topic)
    assert len(writer.cluster.committed(LETTERS)) == 1


def test_a_commit_of_unknown_outcome_that_took_effect_is_settled_by_the_manifest() -> None:
    writer = Writer()
    writer.publisher.announce(4, 0.0)
    writer.learn(ROWS[:100])
    writer.calls.after_call = failing(Fenced("unknown"), "commit")
    with pytest.raises(Fenced):
        writer.publish([LETTER])
    writer.calls.after_call = goes_on
    assert writer.publisher.version == 0
    writer.output.open()
    assert writer.publisher.settle(manifests(writer.cluster)[-1])
    assert writer.publisher.version == 1
    assert writer.publisher.dead_letter_positions == {0: 1}
    assert sum(writer.publish().rows.values()) == 0
    assert versions(writer) == [1, 2]
    assert dict(read_all(writer.cluster).scores()) == writer.published_scores()


def test_a_commit_of_unknown_outcome_that_did_not_happen_is_done_again() -> None:
    writer = Writer()
    writer.publisher.announce(4, 0.0)
    writer.learn(ROWS[:50])
    writer.publish()
    writer.learn(ROWS[50:100])
    writer.calls.before_call = failing(Fenced("unknown"), "commit")
    with pytest.raises(Fenced):
        writer.publish([LETTER])
    writer.calls.before_call = goes_on
    writer.output.open()
    assert not writer.publisher.settle(manifests(writer.cluster)[-1])
    writer.publish([LETTER])
    assert versions(writer) == [1, 2]
    assert len(writer.cluster.committed(LETTERS)) == 1
    assert dict(read_all(writer.cluster).scores()) == writer.published_scores()


def test_a_manifest_of_another_epoch_settles_nothing() -> None:
    writer = Writer()
    writer.publisher.announce(4, 0.0)
    writer.learn(ROWS[:50])
    writer.calls.after_call = failing(Fenced("unknown"), "commit")
    with pytest.raises(Fenced):
        writer.publish()
    theirs = manifests(writer.cluster)[-1]
    theirs.writer["epoch"] = 5
    assert not writer.publisher.settle(theirs)
    assert writer.publisher.version == 0


def test_with_nothing_in_doubt_there_is_nothing_to_settle() -> None:
    writer = Writer()
    writer.publish()
    assert not writer.publisher.settle(manifests(writer.cluster)[-1])
    assert not writer.publisher.settle(None)


def test_no_version_goes_out_that_no_checkpoint_has_reserved() -> None:
    writer = Writer()
    writer.publisher.last_reserved = 1
    writer.publish()
    with pytest.raises(Fatal, match="version 2 is beyond the last reserved one"):
        writer.publish()
    assert versions(writer) == [1]


def test_dead_letters_alone_make_no_version() -> None:
    writer = Writer()
    written = writer.publisher.write_dead_letters([LETTER])
    assert written.version is None
    assert versions(writer) == []
    assert [record.value for record in writer.cluster.committed(LETTERS)] == [b"not json"]
    assert writer.publisher.dead_letter_positions == {0: 1}


def test_a_writer_announces_itself_beside_its_manifests() -> None:
    writer = Writer()
    writer.publisher.announce(7, 1_795_000_000.0)
    [record] = writer.cluster.committed(MANIFESTS)
    assert record.key == formats.writer_key("default") == b"default/writer"
    announced = formats.decode_writer(record.key, record.value or b"")
    assert (announced.model, announced.epoch, announced.instance) == ("default", 7, "writer-1")
    assert read_all(writer.cluster).version == 0
