"""One stretch of chaos: a model of its own that learns without a pause while faults come, and what is held against it.

After each fault the model has to go on by itself, and every version that a reader was shown meanwhile counts each event
once; `recount` stops the stream for a moment and holds everything published against everything produced.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from consumer.checkpoints import contents, requests
from consumer.checkpoints.local_store import LocalStore
from consumer.checkpoints.requests import RollbackRequest
from consumer.kafka.topic_admin import TopicAdmin
from consumer.settings import Settings
from tests.broker import LocalBroker
from tests.chaos.ledger import Ledger
from tests.chaos.medium import Medium
from tests.chaos.producer import SteadyProducer
from tests.chaos.reader import Witness
from tests.chaos.steps import FOLDER_VARIABLE, Control
from tests.end_to_end.conftest import published_by
from tests.end_to_end.letters import dead_letters, headers
from tests.end_to_end.recount import out_of_tolerance, recounted_scores
from tests.end_to_end.replica import new_consumer, rebuilt
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics, settings_of

PER_SECOND = 400.0
N_PARTITIONS = 2
TRANSACTION_TIMEOUT_S = 5.0
OWN_DOUBLE = "left the group for good"
GOES_ON_S = 180.0
"""So long may it take until what had come in when a fault was over is published."""


class Slot:
    """A deployment slot: its worker, and the folder by which that is told where to die."""

    def __init__(self, settings: Settings, folder: Path, name: str) -> None:
        control_folder = folder / f"control-{name}"
        control_folder.mkdir()
        self.control = Control(control_folder)
        self.worker = WorkerProcess(
            settings, folder, name, module="tests.chaos.mortal", variables={FOLDER_VARIABLE: str(control_folder)}
        )


class Stretch:
    """For a `with` block, at whose beginning a first worker learns."""

    def __init__(self, broker: LocalBroker, name: str, folder: Path, seed: str) -> None:
        self.broker = broker
        self.rng = random.Random(seed)
        self.settings = settings_of(
            broker.bootstrap_servers,
            f"{name}-",
            folder,
            input={"on_lost_records": "skip"},
            kafka={"transaction_timeout_s": TRANSACTION_TIMEOUT_S},
            catalogue={"max_items": 1_000},
            users={"max_users": 1_000, "daily_item_weight": 1_000_000, "remembered_pairs": 512},
            models={"item_to_item": {"neighbours": 16}},
            publish={"related": 16},
        )
        self.topic = self.settings.input.topic
        self.ledger = Ledger(self.rng.randrange(1 << 30), self.settings.models.popularity.half_lives_s, N_PARTITIONS)
        self.producer = SteadyProducer(broker.bootstrap_servers, self.topic, self.ledger, PER_SECOND)
        self.witness = Witness(published_by(self.settings), self.topic, self.ledger)
        self.medium = Medium(Path(self.settings.checkpoints.directory))
        self.slots = [Slot(self.settings, folder, f"slot-{n}") for n in range(2)]
        self.n_recounts = 0
        self.n_started_again = 0
        self._stack = ExitStack()

    @property
    def worker(self) -> WorkerProcess:
        """The one that writes."""
        return self.slots[0].worker

    @property
    def control(self) -> Control:
        return self.slots[0].control

    @property
    def standby(self) -> WorkerProcess:
        return self.slots[1].worker

    def new_admin(self) -> AdminClient:
        """Anew for each use: one whose broker was away finds its coordinator no more."""
        return AdminClient({"bootstrap.servers": self.broker.bootstrap_servers, "log_level": 0})

    def swap(self) -> None:
        """The other slot's worker is the writer now."""
        self.slots.reverse()

    def __enter__(self) -> Stretch:
        with ExitStack() as stack:
            stack.enter_context(self.medium)
            create_topics(self.settings, input_partitions=N_PARTITIONS)
            for slot in self.slots:
                stack.enter_context(slot.worker)
            self.witness.begin()
            stack.callback(self.witness.leave)
            stack.enter_context(self.producer)
            self.worker.start()
            self._until(lambda: bool(self.witness.positions), "the first version is published")
            self.goes_on()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def goes_on(self, *, restarts: int = 0) -> None:
        """Wait until all that has come in by now is published, and hold it against the ledger.

        A worker that ends meanwhile is started again so many times, as a supervisor would; and whenever the brokers
        took it for its own double, which happens where they lose an answer while it joins the group.
        """
        ends, left = self.ledger.ends(), restarts

        def is_published() -> bool:
            nonlocal left
            self.producer.require_sound()
            if self.worker.has_ended() and (left > 0 or OWN_DOUBLE in self.worker.log_since_start()):
                left -= 1
                self.n_started_again += 1
                self.worker.wait()
                self.worker.start()
            self.worker.require_running()
            positions = self.witness.positions
            return all(positions.get(p, 0) >= end for p, end in ends.items())

        self._until(is_published, f"all up to {ends} is published")
        self.witness.check()

    def recount(self) -> None:
        """Everything that is published against everything that was produced; the stream stands still meanwhile."""
        self.producer.pause()
        self.goes_on()
        self._until(self._has_settled, "no row waits to be published")
        self.witness.catch_up()
        self.witness.check()
        self.witness.check_log()
        replica = rebuilt(published_by(self.settings))
        assert replica.manifest is not None  # rebuilt from one
        expected = recounted_scores(self.ledger.interactions(), replica.manifest)
        assert out_of_tolerance(replica.scores(), expected, self.settings.publish.tolerance) == {}
        assert set(replica.scores()) == set(expected)
        letters = [headers(letter) for letter in dead_letters(self.settings)]
        places = [(int(h["__connect.errors.partition"]), int(h["__connect.errors.offset"])) for h in letters]
        assert self.ledger.misplaced_letters(places) == {}
        self.n_recounts += 1
        self.producer.go_on()

    def _has_settled(self) -> bool:
        seen = self.witness.last
        return seen is not None and seen.positions == self.ledger.ends() and seen.n_waiting == 0

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            until(condition, what, GOES_ON_S)
        except AssertionError as error:
            raise AssertionError(
                f"{error}\n{self._standing()}\nthe worker's log ends with:\n{self.worker.log()[-3000:]}"
            ) from None

    def _standing(self) -> str:
        """Where the stream has come to a halt: with the producer, the worker, or the reader."""
        consumer = new_consumer(self.broker.bootstrap_servers)
        try:
            partitions = [TopicPartition(self.topic, p) for p in range(self.ledger.n_partitions)]
            ends = {at.partition: consumer.get_watermark_offsets(at, timeout=10)[1] for at in partitions}
            lag = {name: n for name, n in self.worker.metrics().items() if "lag_records" in name}
        except Exception as error:  # noqa: BLE001 - it only explains another failure
            return f"where the stream stands cannot be told: {error}"
        finally:
            consumer.close()
        return f"produced {self.ledger.ends()}, in the log {ends}, lag {lag}, shown {self.witness.positions}"

    def restart(self) -> None:
        """After the worker's death: a supervisor starts it again, and it goes on."""
        self.worker.start()
        self.goes_on()

    def ends_with(self, code: int, told: str, timeout_s: float = 60.0) -> None:
        """The worker ends by itself, with this exit code, and says so."""
        found = self.worker.wait(timeout_s)
        log = self.worker.log_since_start()
        assert found == code, f"the worker ended with {found} and not with {code}:\n{log[-3000:]}"
        assert told in log, f"{told!r} is missing in what the worker said:\n{log[-3000:]}"

    def saved_positions(self) -> dict[int, int]:
        """Of the newest checkpoint."""
        store = LocalStore(self.medium.directory)
        name = store.names()[-1]
        return contents.decode(name, store.notes(name)).input_positions

    def n_checkpoints_failed(self) -> float:
        metrics = self.worker.metrics()
        return sum(value for name, value in metrics.items() if name.startswith("freshrank_checkpoint_failures_total"))

    def newest_checkpoint(self) -> str:
        return max((path.name for path in self.medium.directory.glob("checkpoint-*")), default="")

    def await_new_checkpoint(self) -> None:
        before = self.newest_checkpoint()
        self._until(lambda: self.newest_checkpoint() > before, "a checkpoint is saved again")

    def await_two_checkpoints(self) -> None:
        """One that may be damaged, and one to be fallen back to."""
        self._until(lambda: len(list(self.medium.directory.glob("checkpoint-*"))) >= 2, "a second checkpoint is saved")

    def outlive_older_checkpoints(self) -> None:
        """Until none is left to be fallen back to that knows less than the ledger says is lost."""
        for _ in range(3):
            self.await_new_checkpoint()

    def ask_for_rollback(self) -> None:
        """As `freshrank rollback --relearn` does: state and positions return to the last good checkpoint."""
        store = LocalStore(self.medium.directory)
        self._until(lambda: requests.last_good(requests.readable(store)) is not None, "a good checkpoint is there")
        name = requests.target_of(requests.readable(store), None)
        asked = RollbackRequest(id=f"{self.rng.random()}", checkpoint=name, relearn=True)
        store.put_request(requests.encode(asked))

    @property
    def is_rollback_asked(self) -> bool:
        return LocalStore(self.medium.directory).request() is not None

    def delete_records(self, partition: int, before: int) -> None:
        admin = self.new_admin()
        asked = admin.delete_records([TopicPartition(self.topic, partition, before)])
        for future in asked.values():
            future.result(30)

    def lose_records(self) -> tuple[int, int]:
        """While the worker is down retention overtakes it in one partition: how many records it loses, and where."""
        saved = self.saved_positions()
        partition = self.rng.randrange(self.ledger.n_partitions)
        position = saved.get(partition, 0)
        until(lambda: self.ledger.ends()[partition] > position + 50, "there is something to be lost")
        self.producer.pause()
        end = self.ledger.ends()[partition]
        before = self.ledger.cut_near(partition, self.rng.randint(position + 1, end))
        self.witness.catch_up()
        self.witness.check()
        self.delete_records(partition, before)
        self.ledger.lose(partition, position, before)
        self.producer.go_on()
        return before - position, partition

    def with_lost_records(self, choice: str) -> Settings:
        sections = self.settings.model_dump(exclude_defaults=True)
        sections["input"]["on_lost_records"] = choice
        return Settings.model_validate(sections)

    def add_partition(self) -> None:
        n = self.ledger.n_partitions + 1
        admin = self.new_admin()
        for future in admin.create_partitions([NewPartitions(self.topic, n)]).values():
            future.result(30)
        self.ledger.add_partition()
        self.producer.use_partitions(n)

    def committed_offsets(self) -> dict[int, int]:
        """The group's, by partition of the input."""
        consumer = Consumer(
            {"bootstrap.servers": self.broker.bootstrap_servers, "group.id": self.settings.group_id, "log_level": 0}
        )
        try:
            found = consumer.committed([TopicPartition(self.topic, p) for p in self.ledger.ends()], timeout=30)
        finally:
            consumer.close()
        return {at.partition: at.offset for at in found if at.offset >= 0}

    def set_offsets(self, offsets: dict[int, int]) -> None:
        wanted = [TopicPartition(self.topic, p, offset) for p, offset in offsets.items()]
        admin = self.new_admin()
        asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(self.settings.group_id, wanted)])
        asked[self.settings.group_id].result(30)

    def delete_group(self) -> None:
        admin = self.new_admin()
        admin.delete_consumer_groups([self.settings.group_id])[self.settings.group_id].result(30)

    def recreate(self, *topics: str) -> None:
        """Delete these topics and make them anew, empty."""
        admin = self.new_admin()
        for future in admin.delete_topics(list(topics), operation_timeout=30).values():
            future.result(60)
        until(lambda: not set(topics) & set(admin.list_topics(timeout=10).topics), "the topics are gone")
        TopicAdmin(self.settings, row_partitions=2).create()

    def outlast(self, least_s: float, most_s: float) -> None:
        """Let time pass: how long is the fault itself."""
        time.sleep(self.rng.uniform(least_s, most_s))
