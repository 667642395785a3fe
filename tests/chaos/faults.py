"""The faults, one function each: it does the damage, and returns once the model goes on as if nothing had been."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.chaos.steps import ON_THE_DISK, STEPS, TAKING_OVER
from tests.chaos.stretch import TRANSACTION_TIMEOUT_S, Stretch
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import members

Do = Callable[[Stretch], None]


@dataclass(frozen=True, slots=True)
class Fault:
    do: Do
    times: int
    """In one whole run."""
    needs_own_disk: bool = False


def killed_at_any_moment(s: Stretch) -> None:
    s.outlast(0.0, 1.5)
    s.worker.kill()
    s.restart()


def killed_while_it_takes_over(s: Stretch) -> None:
    s.worker.kill()
    s.worker.start()
    s.outlast(0.5, 4.0)
    s.worker.kill()
    s.restart()


def dies_at(step: str, s: Stretch) -> None:
    if step in TAKING_OVER:
        s.worker.kill()
        s.control.arm(step)
        s.worker.start()
    else:
        s.control.arm(step)
    s.ends_with(-signal.SIGKILL, "")
    s.restart()


def stopped_in_order(s: Stretch) -> None:
    assert s.worker.terminate() == 0
    s.restart()


def broker_restarted(s: Stretch) -> None:
    s.broker.restart()
    s.goes_on()


def broker_killed(s: Stretch) -> None:
    s.broker.kill()
    s.broker.start()
    s.goes_on()


def broker_away_for_longer_than_a_transaction(s: Stretch) -> None:
    s.broker.stop()
    s.outlast(1.2 * TRANSACTION_TIMEOUT_S, 2.4 * TRANSACTION_TIMEOUT_S)
    assert s.worker.health() == 200, "a worker that waits for its broker counts as dead"
    s.broker.start()
    s.goes_on()


def broker_away_while_the_worker_starts(s: Stretch) -> None:
    s.worker.kill()
    s.broker.stop()
    s.worker.start()
    s.ends_with(1, "Is the broker running, and is kafka.bootstrap_servers its address?")
    s.broker.start()
    s.restart()


def worker_dies_while_the_broker_is_away(s: Stretch) -> None:
    s.broker.kill()
    s.outlast(0.0, 1.0)
    s.worker.kill()
    s.broker.start()
    s.restart()


def disk_full(s: Stretch) -> None:
    s.medium.fill()
    _no_checkpoint_until(s, s.medium.make_room)


def disk_read_only(s: Stretch) -> None:
    s.medium.make_read_only()
    _no_checkpoint_until(s, s.medium.make_writable)


def _no_checkpoint_until(s: Stretch, mended: Callable[[], None]) -> None:
    """Learning and publishing go on without checkpoints, and those go on once it is mended."""
    try:
        n_before = s.n_checkpoints_failed()
        until(lambda: s.n_checkpoints_failed() > n_before, "a checkpoint fails")
        s.goes_on()
    finally:
        mended()
    s.await_new_checkpoint()
    s.goes_on()


def disk_full_at_the_start(s: Stretch) -> None:
    s.worker.kill()
    s.medium.fill()
    _refuses_until(s, s.medium.make_room)


def disk_read_only_at_the_start(s: Stretch) -> None:
    s.worker.kill()
    s.medium.make_read_only()
    _refuses_until(s, s.medium.make_writable)


def _refuses_until(s: Stretch, mended: Callable[[], None]) -> None:
    try:
        s.worker.start()
        s.ends_with(1, str(s.medium.directory))
    finally:
        mended()
    s.restart()


def stopped_while_the_disk_is_full(s: Stretch) -> None:
    s.medium.fill()
    s.worker.send(signal.SIGTERM)
    try:
        s.ends_with(1, str(s.medium.directory))
    finally:
        s.medium.make_room()
    s.restart()


def newest_checkpoint_truncated(s: Stretch) -> None:
    s.await_two_checkpoints()
    s.worker.kill()
    s.medium.truncate_newest(s.rng)
    _restarts_from_an_older_one(s)


def newest_checkpoint_has_a_flipped_bit(s: Stretch) -> None:
    s.await_two_checkpoints()
    s.worker.kill()
    s.medium.flip_a_bit_of_newest(s.rng)
    _restarts_from_an_older_one(s)


def listing_of_the_newest_checkpoint_has_a_flipped_bit(s: Stretch) -> None:
    s.await_two_checkpoints()
    s.worker.kill()
    s.medium.flip_a_bit_of_listing(s.rng)
    _restarts_from_an_older_one(s)


def _restarts_from_an_older_one(s: Stretch) -> None:
    s.restart()
    assert "checkpoint skipped" in s.worker.log_since_start()


def base_of_the_next_checkpoint_damaged(s: Stretch) -> None:
    s.await_two_checkpoints()
    s.medium.flip_a_bit_of_newest(s.rng)
    s.await_new_checkpoint()
    s.goes_on()


def paused_within_its_session(s: Stretch) -> None:
    s.worker.send(signal.SIGSTOP)
    s.outlast(0.2, 0.5 * s.settings.kafka.session_timeout_s)
    s.worker.send(signal.SIGCONT)
    s.goes_on()


def paused_beyond_its_session(s: Stretch) -> None:
    s.worker.send(signal.SIGSTOP)
    until(lambda: members(s.settings) == set(), "the group has given the worker up")
    s.worker.send(signal.SIGCONT)
    s.goes_on()


def replaced_while_it_slept(step: str, s: Stretch) -> None:
    """`step`: where it falls asleep; "": anywhere."""
    first, journal_of = s.worker, s.control
    s.standby.start()
    until(s.standby.is_standing_by, "a second worker stands by", 60)
    before = s.witness.last
    assert before is not None  # a stretch begins with a version
    if step:
        journal_of.arm(step, signal.SIGSTOP)
        until(lambda: not journal_of.is_armed, f"the first worker sleeps: {step}", 30)
    else:
        first.send(signal.SIGSTOP)
    pid = first.pid
    until(lambda: s.witness.last is not None and s.witness.last.epoch > before.epoch, "the second one publishes")
    s.swap()
    s.await_new_checkpoint()
    offsets = s.committed_offsets()
    woken_s = time.time()
    first.send(signal.SIGCONT)
    until(lambda: len(members(s.settings)) == 2, "the first worker is back in the group", 60)
    s.await_new_checkpoint()
    s.goes_on()
    assert [p for p in journal_of.journal() if p.pid == pid and p.at_s > woken_s and p.step in ON_THE_DISK] == []
    s.witness.require_epochs_in_order()
    assert all(at >= offsets.get(p, 0) for p, at in s.committed_offsets().items())
    first.kill()


def a_standby_comes_and_dies(s: Stretch) -> None:
    before = s.witness.last
    assert before is not None  # a stretch begins with a version
    s.standby.start()
    until(s.standby.is_standing_by, "a second worker stands by", 60)
    s.standby.kill()
    s.goes_on()
    after = s.witness.last
    assert after is not None
    assert after.epoch == before.epoch, "the writer was disturbed"


def writer_dies_and_a_standby_takes_over(s: Stretch) -> None:
    s.standby.start()
    until(s.standby.is_standing_by, "a second worker stands by", 60)
    s.worker.kill()
    s.swap()
    s.goes_on()


def partition_added(s: Stretch) -> None:
    s.add_partition()
    new = s.ledger.n_partitions - 1
    until(lambda: s.ledger.ends()[new] > 0, "something was produced to the new partition")
    s.goes_on()


def group_deleted(s: Stretch) -> None:
    assert s.worker.terminate() == 0
    s.delete_group()
    s.restart()


def offsets_set_back(s: Stretch) -> None:
    assert s.worker.terminate() == 0
    s.set_offsets({p: s.rng.randrange(end + 1) for p, end in s.ledger.ends().items()})
    s.restart()


def outputs_made_anew_while_it_was_stopped(s: Stretch) -> None:
    publish = s.settings.publish
    _made_anew_while_stopped(s, publish.scores_topic, publish.related_topic, publish.manifests_topic)


def row_topics_made_anew_while_it_was_stopped(s: Stretch) -> None:
    _made_anew_while_stopped(s, s.settings.publish.scores_topic, s.settings.publish.related_topic)


def manifests_made_anew_while_it_was_stopped(s: Stretch) -> None:
    _made_anew_while_stopped(s, s.settings.publish.manifests_topic)


def _made_anew_while_stopped(s: Stretch, *topics: str) -> None:
    s.worker.kill()
    s.witness.catch_up()
    s.witness.end()
    s.recreate(*topics)
    s.witness.begin()
    s.restart()


def outputs_made_anew_while_it_runs(s: Stretch) -> None:
    publish = s.settings.publish
    _made_anew_while_it_runs(s, publish.scores_topic, publish.related_topic, publish.manifests_topic)


def row_topics_made_anew_while_it_runs(s: Stretch) -> None:
    _made_anew_while_it_runs(s, s.settings.publish.scores_topic, s.settings.publish.related_topic)


def _made_anew_while_it_runs(s: Stretch, *topics: str) -> None:
    """It may end, with a message, as often as a supervisor starts it again."""
    s.witness.end()
    s.recreate(*topics)
    s.witness.begin()
    s.goes_on(restarts=5)


def records_lost_before_they_were_read(s: Stretch) -> None:
    s.worker.kill()
    n_lost, partition = s.lose_records()
    s.restart()
    name = f'freshrank_lost_records_total{{partition="{partition}",topic="{s.topic}"}}'
    assert s.worker.metrics().get(name) == n_lost
    assert "records lost" in s.worker.log_since_start()
    s.outlive_older_checkpoints()


def records_lost_and_not_to_be_skipped(s: Stretch) -> None:
    s.worker.kill()
    s.lose_records()
    s.worker.settings = s.with_lost_records("fail")
    s.worker.start()
    s.ends_with(1, "input.on_lost_records: skip")
    s.worker.settings = s.settings
    s.restart()
    s.outlive_older_checkpoints()


def rolled_back_and_learned_again(s: Stretch) -> None:
    told_before = s.worker.log().count(" rolled back ")
    s.ask_for_rollback()
    until(lambda: not s.is_rollback_asked, "the rollback is done", 60)
    s.goes_on()
    log = s.worker.log_since_start()
    assert s.worker.log().count(" rolled back ") > told_before or "rollback not possible" in log
    assert "version held" not in log


FAULTS: Mapping[str, Fault] = {
    "killed at any moment": Fault(killed_at_any_moment, 14),
    "killed while it takes over": Fault(killed_while_it_takes_over, 7),
    **{f"dies at: {step}": Fault(partial(dies_at, step), 2) for step in STEPS},
    "stopped in order": Fault(stopped_in_order, 4),
    "broker restarted": Fault(broker_restarted, 6),
    "broker killed": Fault(broker_killed, 7),
    "broker away for longer than a transaction": Fault(broker_away_for_longer_than_a_transaction, 4),
    "broker away while the worker starts": Fault(broker_away_while_the_worker_starts, 2),
    "worker dies while the broker is away": Fault(worker_dies_while_the_broker_is_away, 4),
    "disk full": Fault(disk_full, 16, needs_own_disk=True),
    "disk read-only": Fault(disk_read_only, 14, needs_own_disk=True),
    "disk full at the start": Fault(disk_full_at_the_start, 3, needs_own_disk=True),
    "disk read-only at the start": Fault(disk_read_only_at_the_start, 3, needs_own_disk=True),
    "stopped while the disk is full": Fault(stopped_while_the_disk_is_full, 3, needs_own_disk=True),
    "newest checkpoint truncated": Fault(newest_checkpoint_truncated, 4),
    "newest checkpoint with a flipped bit": Fault(newest_checkpoint_has_a_flipped_bit, 4),
    "listing of the newest checkpoint with a flipped bit": Fault(listing_of_the_newest_checkpoint_has_a_flipped_bit, 4),
    "base of the next checkpoint damaged": Fault(base_of_the_next_checkpoint_damaged, 16),
    "paused within its session": Fault(paused_within_its_session, 16),
    "paused beyond its session": Fault(paused_beyond_its_session, 4),
    "replaced while it slept": Fault(partial(replaced_while_it_slept, ""), 2),
    **{
        f"replaced while it slept: {step}": Fault(partial(replaced_while_it_slept, step), 2)
        for step in (
            "rows delivered",
            "manifest written",
            "checkpoint written",
            "checkpoint visible",
            "offsets to be committed",
        )
    },
    "a standby comes and dies": Fault(a_standby_comes_and_dies, 3),
    "writer dies, a standby takes over": Fault(writer_dies_and_a_standby_takes_over, 4),
    "partition added": Fault(partition_added, 4),
    "group deleted": Fault(group_deleted, 4),
    "offsets set back": Fault(offsets_set_back, 3),
    "outputs made anew while it was stopped": Fault(outputs_made_anew_while_it_was_stopped, 4),
    "row topics made anew while it was stopped": Fault(row_topics_made_anew_while_it_was_stopped, 2),
    "manifests made anew while it was stopped": Fault(manifests_made_anew_while_it_was_stopped, 2),
    "outputs made anew while it runs": Fault(outputs_made_anew_while_it_runs, 3),
    "row topics made anew while it runs": Fault(row_topics_made_anew_while_it_runs, 2),
    "rolled back and learned again": Fault(rolled_back_and_learned_again, 6),
    "records lost before they were read": Fault(records_lost_before_they_were_read, 5),
    "records lost, not to be skipped": Fault(records_lost_and_not_to_be_skipped, 3),
}
