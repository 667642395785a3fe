"""The chart as helm renders it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.broker import skip_or_fail

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "freshrank"
EXAMPLES = DEPLOY / "helm" / "examples"
KUBERNETES = "1.33.0"

Resource = Mapping[str, Any]


class Answer(NamedTuple):
    code: int
    out: str
    err: str


def helm(*arguments: object) -> Answer:
    """Skips the test where helm is missing; fails it with CI=true, unless CI found no way to get one."""
    program = shutil.which("helm")
    if program is None:
        reason = "helm is missing: go install helm.sh/helm/v3/cmd/helm@v3.17.3"
        if "FRESHRANK_TEST_WITHOUT_HELM" in os.environ:
            pytest.skip(reason)
        skip_or_fail(reason, os.environ)
    command = [program, *map(str, arguments), "--kube-version", KUBERNETES]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return Answer(ended.returncode, ended.stdout, ended.stderr)


def template(*values: Path, settings: Sequence[str] = (), release: str = "shop") -> Answer:
    """`helm template` with these files of values, and `key=value`s over them."""
    given = [argument for file in values for argument in ("--values", file)]
    given += [argument for setting in settings for argument in ("--set", setting)]
    return helm("template", release, CHART, *given)


class Rendered:
    """The resources of one rendering, each kind at most once."""

    def __init__(self, *values: Path, settings: Sequence[str] = ()) -> None:
        answer = template(*values, settings=settings)
        assert answer.code == 0, answer.err
        self.all: Sequence[Resource] = [found for found in yaml.safe_load_all(answer.out) if found]
        self._by_kind = {resource["kind"]: resource for resource in self.all}
        assert len(self._by_kind) == len(self.all)

    @property
    def kinds(self) -> set[str]:
        return set(self._by_kind)

    def __getitem__(self, kind: str) -> Resource:
        return self._by_kind[kind]

    @property
    def pod(self) -> Resource:
        """The pods' specification."""
        spec: Resource = self["StatefulSet"]["spec"]["template"]["spec"]
        return spec

    @property
    def worker(self) -> Resource:
        (container,) = self.pod["containers"]
        worker: Resource = container
        return worker

    @property
    def settings_file(self) -> str:
        return str(self["ConfigMap"]["data"]["freshrank.yaml"])
