"""`python -m tests.kafka.member ADDRESS PREFIX MEMBER`: takes the lease, reads and says so, until killed."""

from __future__ import annotations

import sys

from consumer.kafka.input import KafkaInput
from tests.kafka.worlds import N_PARTITIONS, settings_of


def main() -> None:
    address, prefix, name = sys.argv[1:]
    member = KafkaInput(settings_of(address, prefix, name))
    while not member.has_lease():
        member.poll(0.1)
    member.start_reading(dict.fromkeys(range(N_PARTITIONS), 0))
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    while True:
        member.poll(0.1)


if __name__ == "__main__":
    main()
