"""The image's kernels are compiled when it is built, and lie where nobody can write: nothing is compiled again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.charts import DEPLOY

pytestmark = pytest.mark.timeout(600)

ROOT = DEPLOY.parent
BARE = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
"""Root without its capabilities: permissions count for it as for anybody."""


def demo_run(environment: Mapping[str, str], *, wrapped: Sequence[str] = ()) -> dict[str, Any]:
    """What `tests.deploy.demo_run` says of itself."""
    command = [*wrapped, sys.executable, "-m", "tests.deploy.demo_run"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    answer: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return answer


@pytest.fixture(scope="module")
def read_only_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the image's build leaves it, but for the notes of what is complete: a copy of this machine's, which is filled
    first if it wasn't."""
    filled = Path(demo_run(os.environ)["cache"])
    cache = tmp_path_factory.mktemp("image") / "kernels"
    shutil.copytree(filled, cache / filled.name, ignore=shutil.ignore_patterns("*.compiled"))
    for path in (cache, *cache.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return cache


def test_with_a_cache_that_can_only_be_read_nothing_is_compiled(read_only_cache: Path) -> None:
    """Nor is a compiler started, whatever the settings: worker, load and reader run as in the image's build. No home
    either."""
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    environment["FRESHRANK_KERNEL_CACHE"] = str(read_only_cache)
    wrapped = BARE if os.geteuid() == 0 else ()
    answer = demo_run(environment, wrapped=wrapped)
    assert Path(answer["cache"]).parent == read_only_cache
    assert (answer["code"], answer["is_writable"]) == (0, False)
    assert (answer["compiled"], answer["compiler_cpu_s"]) == ([], 0.0)


def test_what_a_read_only_cache_lacks_is_compiled_and_kept_nowhere(read_only_cache: Path) -> None:
    program = (
        "from consumer.kernels import kernel\n"
        "import numpy as np\n"
        "@kernel\n"
        "def double(values): return 2 * values\n"
        "print(double(np.ones(3)).tolist())\n"
    )
    script = read_only_cache.parent / "novel.py"
    script.write_text(program)
    before = sorted(read_only_cache.rglob("*"))
    environment = {**os.environ, "FRESHRANK_KERNEL_CACHE": str(read_only_cache), "PYTHONPATH": str(ROOT)}
    command = [*(BARE if os.geteuid() == 0 else ()), sys.executable, str(script)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout == "[2.0, 2.0, 2.0]\n"
    assert sorted(read_only_cache.rglob("*")) == before


def test_build_and_image_agree_on_the_cache_and_on_the_processor() -> None:
    _, build, image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    for setting in ("NUMBA_CPU_NAME=generic", "FRESHRANK_KERNEL_CACHE=/opt/freshrank/kernels"):
        assert (build.count(setting), image.count(setting)) == (1, 1)
    assert build.rstrip().endswith("RUN /opt/freshrank/bin/freshrank demo --seconds 5")
