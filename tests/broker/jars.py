"""Kafka's jars, fetched once with Maven and kept under `.kafka/jars`; and the Java that runs them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".kafka"
JARS = CACHE / "jars"
POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17


class NoJars(Exception):
    """The jars are not here and cannot be fetched; the message says why."""


def java() -> Path | None:
    """The Java of `JAVA_HOME`, else the one on the path."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return Path(home) / "bin" / "java"
    found = shutil.which("java")
    return Path(found) if found else None


def missing() -> list[str]:
    """What this machine lacks to run a broker from jars; empty if nothing."""
    lacks = []
    version = _java_version()
    if version is None:
        lacks.append(f"Java {OLDEST_JAVA} or later (no java runs here)")
    elif version < OLDEST_JAVA:
        lacks.append(f"Java {OLDEST_JAVA} or later (java is {version})")
    if not _are_current() and shutil.which("mvn") is None:
        lacks.append("Maven, to fetch Kafka's jars (no mvn on the path)")
    return lacks


def fetched() -> Path:
    """The folder of jars, filled first where it is empty or older than pom.xml. Raises NoJars."""
    with _only_one_at_a_time():
        if not _are_current():
            _fetch()
    return JARS


def _java_version() -> int | None:
    executable = java()
    if executable is None:
        return None
    answer = subprocess.run([executable, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(version[1]) if answer.returncode == 0 and version else None


def _wanted() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


def _are_current() -> bool:
    stamp = JARS / "pom.sha256"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _wanted()


def _fetch() -> None:
    arriving = CACHE / "jars.arriving"
    for folder in (arriving, JARS):
        shutil.rmtree(folder, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", f"--file={POM}", "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={arriving}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise NoJars("Kafka's jars are not here, and there is no mvn to fetch them with") from None
    if answer.returncode != 0 or not arriving.exists():
        raise NoJars(f"Maven could not fetch Kafka's jars:\n{_tail(answer.stdout + answer.stderr)}")
    (arriving / "pom.sha256").write_text(_wanted(), encoding="utf-8")
    arriving.rename(JARS)


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


@contextmanager
def _only_one_at_a_time() -> Iterator[None]:
    """Two test runs in one checkout must not fetch into the same folder."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
