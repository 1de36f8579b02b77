"""What README.md and deploy/ say is what the program does."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from prometheus_client import CollectorRegistry

from alerts.notice import signature
from ingest.cli import cli as server
from ingest.metrics import Metrics
from ingest.settings import ENVIRONMENT_PREFIX, Settings, load_settings
from simulators.cli import cli as simulator
from tests.fixtures.brokers import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = {"ams-server": server, "ams-simulator": simulator}


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def marked(name: str) -> str:
    """The part of the README between two markers."""
    return README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def table(name: str) -> list[list[str]]:
    """The cells of the marked table's rows."""
    rows = re.findall(r"^\| (.*) \|$", marked(name), re.MULTILINE)
    return [row.split(" | ") for row in rows[1:]]


def commands() -> Iterator[list[str]]:
    """Every command of the README's shell blocks, as words."""
    for block in fenced("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for words in re.split(r" (?:&&|\|) ", line):
                if words.split(" ")[0] in {"make", *PROGRAMS}:
                    yield shlex.split(words)


# ---- commands


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def unknown_word(command: click.Command, words: list[str]) -> str | None:
    """What of a command line the program would not understand, None if it would all."""
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return words[0]
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    try:
        command.make_parser(context).parse_args(args=list(words))
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_a_command_is_understood(words: list[str]) -> None:
    name, *rest = words
    if name == "make":
        targets = [word for word in rest if "=" not in word]
        assert set(targets) <= make_targets()
    else:
        assert unknown_word(PROGRAMS[name], rest) is None


def test_there_are_commands_and_a_wrong_one_is_noticed() -> None:
    assert {words[0] for words in commands()} == {"make", *PROGRAMS}
    assert unknown_word(server, ["quarantine", "dance"]) == "dance"
    assert unknown_word(server, ["serve", "--colour", "red"]) is not None
    assert unknown_word(server, ["serve", "--http"]) is not None


@pytest.mark.parametrize("page", ["README.md", "deploy/ams-server.service"])
def test_no_option_is_named_that_no_command_has(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    known = {"--config", "--help"}

    def collect(command: click.Command) -> None:
        known.update(word for option in command.params for word in option.opts)
        for each in getattr(command, "commands", {}).values():
            collect(each)

    for program in PROGRAMS.values():
        collect(program)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = set(re.findall(r"`(--[a-z-]+)", prose))
    assert named <= known


# ---- settings


def default_of(name: str) -> str:
    default = Settings.model_fields[name].default
    if default is None:
        return ""
    return ":".join(map(str, default)) if isinstance(default, tuple) else str(default)


def test_the_table_of_settings_is_complete_and_right() -> None:
    rows = table("settings")
    assert [row[1].strip("`") for row in rows] == [
        name.replace("_", "-") for name in Settings.model_fields
    ]
    for flag, key, variable, default, meaning in rows:
        name = key.strip("`").replace("-", "_")
        assert flag == f"`--{key.strip('`')}`"
        assert variable == f"`{ENVIRONMENT_PREFIX}{name.upper()}`"
        shown = default.strip("`") if default.startswith("`") else ""
        assert shown == default_of(name), flag
        assert meaning


def example_environment() -> dict[str, str]:
    lines = (ROOT / "deploy" / "ams.example.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_environment_names_every_setting_with_its_default() -> None:
    wanted = {ENVIRONMENT_PREFIX + name.upper(): default_of(name) for name in Settings.model_fields}
    assert example_environment() == {"AMS_CONFIG": "", **wanted}


def test_the_example_environment_loads_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    without = load_settings({}).model_dump()
    for name, value in example_environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings({}).model_dump() == without


# ---- metrics


def exposed() -> dict[str, set[str]]:
    """Every metric as a scrape names it, with its labels."""
    registry = CollectorRegistry()
    Metrics(registry, version="1")
    found: dict[str, set[str]] = {}
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        samples = [s for s in family.samples if not s.name.endswith(("_created", "_bucket"))]
        found[name] = {label for sample in samples for label in sample.labels}
    return found


def test_the_table_of_metrics_is_complete_and_right() -> None:
    shown = {}
    for name, _ in table("metrics"):
        match = re.fullmatch(r"`(\w+)(?:\{(.*)\})?`", name)
        assert match, name
        shown[match[1]] = set(match[2].split(",")) if match[2] else set()
    assert shown == exposed()


def test_alert_rules_and_prose_name_metrics_that_exist() -> None:
    rules = (ROOT / "deploy" / "ams-alerts.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"\bams_[a-z_]+", rules + README))
    assert named - set(exposed()) == set()
    outcomes = set(re.findall(r'outcome="(\w+)"', rules))
    assert outcomes <= {"quarantined", "expired"}


def test_promtool_finds_no_fault_in_the_alert_rules() -> None:
    program = shutil.which("promtool") or missing("promtool")
    for subject, page in (("rules", "ams-alerts.yml"), ("config", "prometheus.yml")):
        done = subprocess.run(
            [program, "check", subject, ROOT / "deploy" / page],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


# ---- guarantees, links, libraries, SQL


def test_every_promise_names_tests_that_exist() -> None:
    rows = table("guarantees")
    assert [row[0][:2] for row in rows] == [f"{number}." for number in range(1, 9)]
    for promise, _, proof in rows:
        names = re.findall(r"`([\w/]+)::(test_\w+)`", proof)
        assert names, promise
        for place, name in names:
            module = ast.parse((ROOT / "tests" / f"{place}.py").read_text(encoding="utf-8"))
            assert name in {getattr(node, "name", "") for node in ast.walk(module)}, name


def test_every_link_leads_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (ROOT / target).exists(), target
    for path in re.findall(r"`((?:deploy|tests|ingest|alerts|storage|console)/[\w./-]*)`", README):
        assert (ROOT / path).exists() or "NNNN" in path, path


def test_each_dependency_says_why_it_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [re.split(r"[<>=;]", each)[0] for each in project["dependencies"]]
    rows = table("libraries")
    assert [row[0].strip("`") for row in rows] == sorted(wanted)
    assert all(row[1] for row in rows)


def test_views_that_are_named_exist() -> None:
    migrations = (ROOT / "storage" / "sql" / "migrations").glob("*.sql")
    sql = "".join(path.read_text(encoding="utf-8") for path in migrations)
    views = set(re.findall(r"create view (\w+)", sql))
    named = set(re.findall(r"\bams\.(\w+_named)\b", README))
    assert named
    assert named <= views


def test_a_recipient_that_copies_the_example_verifies_signatures() -> None:
    (example,) = fenced("python")
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 - our own page
    genuine = names["genuine"]
    assert callable(genuine)
    assert genuine(b"secret", b"{}", signature(b"secret", b"{}"))
    assert not genuine(b"secret", b"{ }", signature(b"secret", b"{}"))


def test_benchmarks_that_are_named_exist() -> None:
    for command in re.findall(r"`python -m (tests\.bench\.\w+)", README):
        assert (ROOT / (command.replace(".", "/") + ".py")).exists()
