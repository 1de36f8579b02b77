"""The command line: one line for what the user can mend, a clean stop, examples that work."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.brokers import Broker, free_port
from tests.simulators.collector import STATUS, collect, retained, seen, subscribe
from tests.simulators.common import data_files

PROGRAM = Path(sys.executable).with_name("ams-simulator")
TABLE = "AT,TIT,TAT,TEY,CO,NOX\n1,2,3,4,0.5,60\n1,2,3,4,0.25,61.5\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("fleet", "nothing to do: give --broker URL, --registry-out FILE or both"),
        ("fleet --broker 127.0.0.1", "'--broker': expected mqtt://"),
        ("fleet --broker mqtt://u:secret@h:x", "'--broker'"),
        ("fleet --broker mqtts://h --ca-file /nowhere", "cannot use the certificates in /nowhere"),
        ("fleet --registry-out - --speed fast", "'fast' is not a factor such as 1, 60 or max"),
        ("fleet --registry-out - --period 7s", "--period: must be whole seconds that divide"),
        ("fleet --registry-out - --faults stuk", "'stuk' is not a fault; there are: none, all"),
        ("fleet --registry-out - --faults spike=often", "'often' is not a duration such as 60s"),
        ("fleet --registry-out - --duration 0s", "'0s' is not a duration"),
        ("fleet --registry-out /no/where.yaml", "cannot write the registry to /no/where.yaml"),
        ("fleet --broker mqtt://h --start 2100-01-01T00:00:00Z", "is in the future"),
        ("fleet --broker mqtt://h --start 2026-01-01T00:00:00", "not a time with offset"),
        ("replay", "Missing argument 'FILE…'"),
        ("replay nowhere.csv --registry-out -", "--start is missing"),
        (
            "replay nowhere.csv --registry-out - --start 2026-01-01T00:00:00Z",
            "nowhere.csv: No such file or directory",
        ),
        ("replay x.zip --registry-out - --spacing 2h", "--spacing"),
        ("replay x --registry-out - --enterprise Gres", "'Gres' is not an id"),
        ("load --registry-out - --rate 0", "'0' is not messages a second, or max"),
        ("load --registry-out - --channels 7 --values 2", "--channels 7 is not a multiple of"),
        ("load --broker mqtt://h --connections 5 --units 2", "--connections 5 is more than"),
        ("lod", "No such command 'lod'"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments: str, says: str) -> None:
    done = run(*arguments.split())
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ams-simulator: ")
    assert says in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("command", ["load --duration 1s", "replay {file} --start {start}"])
def test_no_broker_is_one_line(tmp_path: Path, command: str) -> None:
    file = tmp_path / "gt.csv"
    file.write_text(TABLE)
    words = command.format(file=file, start="2026-01-01T00:00:00Z").split()
    url = f"mqtt://127.0.0.1:{free_port()}"
    done = run(*words, "--broker", url, "--wait", "0.1s")
    assert done.returncode == 2
    assert url in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["fleet", "replay", "load"])
def test_help_has_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"ams-simulator {command} " in done.stdout.split("Examples:")[1]


def test_a_replay_into_the_future_is_refused_with_the_latest_start(tmp_path: Path) -> None:
    file = tmp_path / "gt.csv"
    file.write_text(TABLE)
    done = run("replay", str(file), "--start", "2100-01-01T00:00:00Z", "--registry-out", "-")
    assert done.returncode == 2
    assert "the replay would end at 2100-01-01T01:00:00Z, in the future: start it" in done.stderr


def test_a_registry_on_standard_output_is_all_there_is() -> None:
    done = run("fleet", "--plants", "1", "--registry-out", "-")
    assert done.returncode == 0
    assert done.stdout.startswith("enterprises:\n")
    assert done.stderr == ""


async def test_a_replay_sends_the_files_rows(mosquitto: Broker, tmp_path: Path) -> None:
    await subscribe(mosquitto)
    file = tmp_path / "gt.csv"
    file.write_text(TABLE)
    arguments = ["replay", str(file), "--start", "2026-01-01T00:00:00Z", "--broker", mosquitto.url]
    first = await asyncio.to_thread(run, *arguments)
    assert (first.returncode, first.stderr) == (0, "2 messages acknowledged\n")
    again = await asyncio.to_thread(run, *arguments)
    assert again.returncode == 0
    got = [payload for _, payload in await collect(mosquitto, lambda got: len(got) == 4)]
    assert got[:2] == got[2:]
    bodies = [json.loads(payload) for payload in got[:2]]
    assert [body["seq"] for body in bodies] == [0, 1]
    assert [body["samples"][0]["time"] for body in bodies] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00Z",
    ]
    assert [body["samples"][0]["values"]["nox"] for body in bodies] == [60, 61.5]


async def test_all_real_files_of_a_year_arrive(nats: Broker) -> None:
    files = data_files("epa_cems_idaho_2017", "*.zip")
    await subscribe(nats)
    arguments = ["replay", *files, "--broker", nats.url, "--samples-per-message", "24"]
    done = await asyncio.to_thread(run, *arguments)
    assert (done.returncode, done.stderr) == (0, "2,920 messages acknowledged\n")
    got = await collect(nats, lambda got: len(got) == 2_920)
    assert sum(len(json.loads(payload)["samples"]) for _, payload in got) == 70_080


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_stops_and_says_what_was_acknowledged(
    mosquitto: Broker, number: signal.Signals
) -> None:
    await subscribe(mosquitto)
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "fleet", "--broker", mosquitto.url, "--speed", "600",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await seen(mosquitto, 50)
    process.send_signal(number)
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    ended = re.fullmatch(r"stopped: ([\d,]+) messages acknowledged\n", said.decode())
    assert ended
    acknowledged = int(ended[1].replace(",", ""))
    assert len(await collect(mosquitto, lambda got: len(got) >= acknowledged)) == acknowledged
    states = await retained(mosquitto, STATUS, 3)
    assert {json.loads(state)["state"] for state in states.values()} == {"offline"}


def test_a_load_that_reaches_no_broker_fails() -> None:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    done = run("load", "--broker", broker, "--units", "2", "--duration", "1s")
    assert done.returncode == 1
    assert done.stdout.startswith("0 sent, none acknowledged in ")


def test_a_load_prints_its_result_as_json(mosquitto: Broker) -> None:
    done = run("load", "--broker", mosquitto.url, "--rate", "500", "--duration", "1s", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert result["sent"] == result["acknowledged"] == pytest.approx(500, rel=0.2)
    assert result["latency_ms"]["p50"] > 0
