"""Breaks the code on purpose, and sees the tests fail that stand for its promises."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import click

from tests.mutations import ROOT, Mutation, mutations, node, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGES = ("alerts", "console", "ingest", "simulators", "storage", "tests")
# What a mutation that is wrong itself makes a test say; no test was written to see that.
CRASHES = ("NameError", "SyntaxError", "ImportError", "AttributeError", "TypeError")


@contextmanager
def cloned() -> Iterator[Path]:
    """Clone the last commit into a temporary folder, and make sure that its modules are used."""
    with tempfile.TemporaryDirectory(prefix="ams-mutate-") as folder:
        copy = Path(folder).resolve() / "copy"
        subprocess.run(["git", "clone", "--quiet", ROOT, copy], check=True)
        code = f"for name in {PACKAGES}: print(__import__(name).__file__)"
        found = _python(copy, "-c", code).stdout.split()
        if len(found) != len(PACKAGES) or not all(Path(f).is_relative_to(copy) for f in found):
            raise click.ClickException(f"modules are not those of the copy {copy}: {found}")
        click.echo(f"modules are those of the copy: {found[0]} …")
        yield copy


def _python(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter on the copy; no bytecode outlives a change of its source."""
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=copy, env=env, capture_output=True, text=True, check=False
    )


def failures(copy: Path, tests: Sequence[str]) -> tuple[int, dict[str, str], str]:
    """Run tests; return pytest's exit code, what the failed ones said, and all of the output.

    A test fails where it says itself that something is wrong: not in a fixture, not at import.
    """
    report = copy / "report.xml"
    report.unlink(missing_ok=True)
    first = ["-x"] if len(tests) == 1 else []  # the test's other cases would tell no more
    options = ("-q", "-p", "no:cacheprovider", f"--junitxml={report}", *first)
    done = _python(copy, "-m", "pytest", *options, *map(node, tests))
    said: dict[str, str] = {}
    cases = ET.parse(report).iter("testcase") if report.exists() else iter(())  # noqa: S314 - our own
    for case in cases:
        failed = case.find("failure")
        if failed is not None:
            name = case.get("name", "").partition("[")[0]
            words = failed.get("message", "").strip().splitlines() or ["no word"]
            said.setdefault(f"{case.get('classname')}::{name}", words[0])
    called = {test: node(test).replace(".py::", "::").replace("/", ".") for test in tests}
    found = {test: said[name] for test, name in called.items() if name in said}
    return done.returncode, found, done.stdout + done.stderr


def verdict(copy: Path, mutation: Mutation) -> str:
    """Put a mutation into the copy, run its tests, take it out; return "" when it was killed."""
    path = copy / mutation.file
    text = path.read_text("utf-8")
    path.write_text(mutation.applied(text), "utf-8")
    try:
        code, said, output = failures(copy, mutation.tests)
    finally:
        path.write_text(text, "utf-8")
    for test, words in said.items():
        click.echo(f"      {test.partition('::')[2]}: {words[:110]}")
        if words.startswith(CRASHES):
            return f"is no mutation but a crash: {words}"
    missing = [test for test in mutation.tests if test not in said]
    if missing or code != 1:
        tail = "\n".join(output.splitlines()[-5:])
        return f"survived {', '.join(missing) or 'with exit code'} ({code})\n{tail}"
    return ""


@click.command(
    epilog="Example: python -m tests.mutate --promise 7. Exit code 1 when a mutation survives."
)
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--promise", type=click.IntRange(1, 8), help="Only the mutations of this promise.")
@click.option("--list", "listing", is_flag=True, help="Print the names and what they break.")
@click.option("--table", "as_table", is_flag=True, help="Print the table of tests/README.md.")
@click.option("--unmutated/--no-unmutated", default=True, help="See the tests pass first.")
def main(
    names: tuple[str, ...], promise: int | None, *, listing: bool, as_table: bool, unmutated: bool
) -> None:
    """Break a copy of the last commit and see tests fail, one mutation after the other."""
    known = mutations()
    if unknown := set(names) - {one.name for one in known}:
        raise click.UsageError(f"no such mutation: {', '.join(sorted(unknown))}")
    chosen = [m for m in known if promise in {None, m.promise} and (not names or m.name in names)]
    if listing or as_table:
        lines = [f"{one.promise} {one.name}: {one.breaks}" for one in chosen]
        click.echo(table() if as_table else "\n".join(lines))
        return
    with cloned() as copy:
        if unmutated:
            tests = list(dict.fromkeys(test for one in chosen for test in one.tests))
            click.echo(f"unmutated: {len(tests)} tests …")
            code, _, output = failures(copy, tests)
            if code:
                raise click.ClickException(f"they fail without any mutation\n{output}")
        survived = []
        for number, one in enumerate(chosen, 1):
            click.echo(f"[{number}/{len(chosen)}] promise {one.promise}, {one.name}: {one.breaks}")
            began = time.monotonic()
            if why := verdict(copy, one):
                survived.append(one.name)
            click.echo(f"      {why or 'killed'} ({time.monotonic() - began:.0f} s)")
    click.echo(f"{len(chosen) - len(survived)} of {len(chosen)} killed")
    if survived:
        raise click.ClickException(f"survived: {', '.join(survived)}")


if __name__ == "__main__":
    main()
