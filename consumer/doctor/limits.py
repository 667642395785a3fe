"""Whether the brokers allow the timeouts that the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.doctor.findings import Finding, ok, problem, warning
from consumer.doctor.words import duration
from consumer.settings import Settings


def check_limits(settings: Settings, config: Mapping[str, str] | None) -> list[Finding]:
    """`config` of a broker; None: this principal may not see it."""
    if config is None:
        return [
            warning(
                "the brokers' limits of transaction and session timeouts cannot be seen",
                "grant DescribeConfigs on the cluster, or compare transaction.max.timeout.ms and "
                "group.min.session.timeout.ms … group.max.session.timeout.ms with the settings by hand",
            )
        ]
    findings = []
    transaction_ms = round(settings.kafka.transaction_timeout_s * 1000)
    most_ms = int(config.get("transaction.max.timeout.ms", transaction_ms))
    if transaction_ms > most_ms:
        findings.append(
            problem(
                f"kafka.transaction_timeout_s is {transaction_ms / 1000:g}, but the brokers' "
                f"transaction.max.timeout.ms is {most_ms}: no transaction could be opened",
                f"set kafka.transaction_timeout_s to {most_ms / 1000:g} or less",
                transaction_max_timeout_ms=most_ms,
            )
        )
    session_ms = round(settings.kafka.session_timeout_s * 1000)
    least_ms = int(config.get("group.min.session.timeout.ms", session_ms))
    longest_ms = int(config.get("group.max.session.timeout.ms", session_ms))
    if not least_ms <= session_ms <= longest_ms:
        findings.append(
            problem(
                f"kafka.session_timeout_s is {session_ms / 1000:g}, but the brokers take {least_ms / 1000:g} to "
                f"{longest_ms / 1000:g} (group.min.session.timeout.ms, group.max.session.timeout.ms): a worker could "
                "not join its group",
                "set kafka.session_timeout_s to what they take, or change them",
                group_min_session_timeout_ms=least_ms,
                group_max_session_timeout_ms=longest_ms,
            )
        )
    if findings:
        return findings
    return [
        ok(
            f"transactions of {duration(transaction_ms / 1000)} (the brokers take {duration(most_ms / 1000)}) and "
            f"sessions of {duration(session_ms / 1000)} ({duration(least_ms / 1000)} to {duration(longest_ms / 1000)})",
            transaction_max_timeout_ms=most_ms,
        )
    ]
