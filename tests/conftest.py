"""Fixtures for every test: a real Kafka, and names that no other test uses."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator

import hypothesis
import pytest

from consumer import kernels
from consumer.settings import Settings
from consumer.warm_up import way_of
from tests.broker import Broker, LocalBroker, NoBroker, SecuredBroker, real_kafka, skip_or_fail
from tests.broker.jars import missing
from tests.broker.sources import all_sources

# A first call may have to compile a kernel; the limit on a whole test is enough.
hypothesis.settings.register_profile("freshrank", deadline=None)
hypothesis.settings.load_profile("freshrank")


ALL_MEMBERS = {"models": {"session_knn": {"enabled": True}, "linear": {"enabled": True}}}
LOAD_KERNELS = (
    "import sys; from consumer.settings import Settings; from consumer.warm_up import load_kernels; "
    "load_kernels(Settings.model_validate_json(sys.argv[1]), lambda: False)"
)


def pytest_sessionstart() -> None:
    """Compiles what every worker calls, where that was never done: tests wait for workers as long as they load it."""
    for settings in (Settings(), Settings.model_validate(ALL_MEMBERS)):
        if not kernels.is_compiled(way_of(settings)):
            subprocess.run([sys.executable, "-c", LOAD_KERNELS, settings.model_dump_json()], check=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What is marked `neural` needs JAX."""
    if item.get_closest_marker("neural") and not all(map(importlib.util.find_spec, ("jax", "optax"))):
        skip_or_fail("needs JAX and optax: pip install 'freshrank[neural]', or make test-neural", os.environ)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """One real broker for all tests of this run; its address is `kafka.bootstrap_servers`. Leave it running."""
    try:
        with real_kafka(all_sources(os.environ)) as broker:
            yield broker
    except NoBroker as reason:
        skip_or_fail(str(reason), os.environ)


@pytest.fixture
def own_kafka() -> Iterator[LocalBroker]:
    """A broker for this test alone, running: to be stopped, killed and started again."""
    lacks = missing()
    if lacks:
        skip_or_fail(f"a broker that may be stopped needs {' and '.join(lacks)}", os.environ)
    with LocalBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def secured_kafka() -> Iterator[SecuredBroker]:
    """One broker with SASL, TLS and ACLs for all tests of this run; its users and topics bear the tests' names."""
    lacks = missing()
    if lacks:
        skip_or_fail(f"a secured broker needs {' and '.join(lacks)}", os.environ)
    with SecuredBroker() as broker:
        yield broker


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Put before the names of this test's topics, groups and models; ends with a hyphen."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:60]
    return f"{readable}-{uuid.uuid4().hex[:8]}-"
