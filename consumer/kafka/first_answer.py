"""The cluster's first answer to a client, or why there is none."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]  # re-exported

from consumer.clock import SystemClock
from consumer.errors import Fatal, FreshrankError
from consumer.kafka.client_config import new_admin
from consumer.kafka.client_errors import cause, is_refusal, translated
from consumer.kafka.handshake import what_else, why_not_let_in
from consumer.settings import Settings

TRY_S = 2.0


class Introduced:
    """An admin client that says why it isn't let in. Raises BadSettings for a refused property."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._refusal: FreshrankError | None = None
        self.client: AdminClient = new_admin(settings, error_cb=self._failed)

    def metadata(self, timeout_s: float) -> ClusterMetadata:
        """Of all topics: asking for one may create it. Raises Fatal as soon as it is clear that no answer will come,
        Retryable after `timeout_s`."""
        give_up_s = self._clock.monotonic_s() + timeout_s
        while True:
            try:
                return self.client.list_topics(timeout=TRY_S)
            except KafkaException as error:
                self.client.poll(0)  # a refused sign-in comes as an event only
                why = why_not_let_in(self._settings)
                if why:
                    raise Fatal(f"connecting to Kafka: {why}.") from error
                if self._refusal is not None:
                    raise self._refusal from error
                if self._clock.monotonic_s() >= give_up_s:
                    raise self._gave_up(error) from error

    def _gave_up(self, error: KafkaException) -> FreshrankError:
        told = translated(cause(error), f"connecting to {self._settings.kafka.bootstrap_servers}")
        guess = what_else(self._settings)
        return type(told)(f"{told}. {guess}.") if guess else told

    def _failed(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._refusal = translated(error, "connecting to Kafka")
