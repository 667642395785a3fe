"""A standby that reads nothing still hears its reading client: nothing may pile up until it takes over."""

from __future__ import annotations

import logging
import time

import pytest

from consumer.kafka.complaints import client_log
from consumer.kafka.input import KafkaInput
from tests.broker.properties import LOOPBACK, free_port
from tests.kafka.worlds import settings_of

N_CLIENTS = 2


def test_a_standby_hears_both_its_clients_while_brokers_are_away(caplog: pytest.LogCaptureFixture) -> None:
    standby = KafkaInput(settings_of(f"{LOOPBACK}:{free_port()}", "away-", "a"))
    give_up_s = time.monotonic() + 30
    clients: set[str] = set()
    with caplog.at_level(logging.DEBUG, client_log.name):
        while len(clients) < N_CLIENTS:
            assert time.monotonic() < give_up_s, f"only {clients} said anything"
            standby.poll(0.1)
            clients = {line.split("[thrd:")[0] for line in caplog.messages if "[thrd:" in line}
    standby.close()
