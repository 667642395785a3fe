"""`python -m tests.broker`: a real Kafka on a local port until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from tests.broker import jars
from tests.broker.local import BrokerFailed, LocalBroker
from tests.broker.properties import free_port, is_free

USUAL_PORT = 9092


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.broker", description=__doc__)
    parser.add_argument("--port", type=int, help=f"default: {USUAL_PORT}, or any free one where that is taken")
    port = _port(parser.parse_args().port)
    if port is None:
        return 1
    lacks = jars.missing()
    if lacks:
        _say(f"cannot start a broker: this needs {' and '.join(lacks)}")
        return 1
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return _run(port)
    except KeyboardInterrupt:
        _say("\nstopped, its data deleted")
        return 0
    except (BrokerFailed, jars.NoJars) as error:
        _say(str(error))
        return 1


def _port(wanted: int | None) -> int | None:
    if wanted is None:
        return USUAL_PORT if is_free(USUAL_PORT) else free_port()
    if is_free(wanted):
        return wanted
    _say(f"port {wanted} is taken; name another, or none to have a free one chosen")
    return None


def _run(port: int) -> int:
    _say("starting Kafka (the first time, fetching its jars with Maven) ...")
    with LocalBroker(port=port) as broker:
        _say(f"Kafka answers at {broker.bootstrap_servers} (process {broker.pid}, log {broker.log_file})")
        _say("topics are not created by themselves; data is deleted at the end; Ctrl-C stops it")
        exit_code = broker.wait()
        _say(f"the broker ended by itself with {exit_code}:\n{broker.log_tail()}")
    return 1


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
