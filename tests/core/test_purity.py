"""The core is arrays in, arrays out: no I/O, no clock, no logging."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import alerts.core

FILES = sorted(Path(next(iter(alerts.core.__path__))).glob("*.py"))
DATA_MODULES = {
    "__future__", "alerts.core", "collections", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "itertools", "math", "numpy", "re", "typing", "uuid", "zoneinfo",
}  # fmt: skip
CLOCKS_AND_IO = {"now", "utcnow", "today", "time_ns", "perf_counter", "open", "print", "input"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_core_imports_numpy_and_data_modules_only(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            package = "alerts.core" if name.startswith("alerts.core.") else name.split(".")[0]
            assert package in DATA_MODULES, f"{file.name} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_core_reads_no_clock_and_no_file(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert called not in CLOCKS_AND_IO, f"{file.name} calls {called}"
