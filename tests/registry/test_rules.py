"""Each rule of a registry file, with a file that breaks it: place and words of the error."""

from __future__ import annotations

import pytest

from ingest.registry_read import parse_registry_text
from tests.registry.texts import VALID, broken, faults_of, with_place

CHANNEL = '{id: so2, parameter: "0330", unit: mg/m3, range: [-5, 5000], period: 60s}'
LIMIT = "{source: stack-1, channel: so2, value: 400, unit: mg/m3, average: 1d}"

# what the valid file says, what it says instead (« marks the place of the error), path, words
RULES = [
    # enterprises
    ("name: {en", "«nmae: {en", "enterprises[0].nmae", "not known here; did you mean name?"),
    ("name: {en:", "name: «{}\n    #", "enterprises[0].name", "at least one entry"),
    ("{en: Eki", "{«english: Eki", "enterprises[0].name.english", "two-letter code"),
    ('"000140000123"', '«"00014000012"', "enterprises[0].bin", "a BIN is 12 digits"),
    ('"000140000123"', "«140000123000", "enterprises[0].bin", "put it in quotes"),
    ("KZ-PAV", "«KZ-XYZ", "enterprises[0].region", "ISO 3166-2:KZ"),
    ("category: 1", "category: «5", "enterprises[0].category", "5 must be at most 4"),
    ("category: 1", "category: «0", "enterprises[0].category", "0 must be at least 1"),
    ("category: 1", "category: «1.5", "enterprises[0].category", "a whole number, found 1.5"),
    ('"+05:00"', '«"+05:37"', "enterprises[0].reporting_zone", "a multiple of 5 minutes"),
    ('"+05:00"', '«"+15:00"', "enterprises[0].reporting_zone", "an offset such as"),
    ('"+05:00"', "«Asia/Ekibastuz", "enterprises[0].reporting_zone", "IANA name"),
    # sources
    ("[51.886, 75.377]", "[«91, 75.377]", "enterprises[0].sources[0].position[0]", "at most 90"),
    ("[51.886, 75.377]", "[51, «181]", "enterprises[0].sources[0].position[1]", "at most 180"),
    ("[51.886, 75.377]", "«[51.886]", "enterprises[0].sources[0].position", "two numbers"),
    ("[51.886, 75.377]", "«[1, 2, 3]", "enterprises[0].sources[0].position", "two numbers"),
    ('number: "0001"', "number: «1", "enterprises[0].sources[0].number", "the number 1: if it is"),
    # channels
    ('"0330"', '«"330"', "enterprises[0].sources[0].channels[0].parameter", "4-digit"),
    ('"0330"', "«2902", "enterprises[0].sources[0].channels[0].parameter", "put it in quotes"),
    ('"0330"', "«sulphur", "enterprises[0].sources[0].channels[0].parameter", "heat_input"),
    ('unit: "%"', "unit: «mg/Nm3", "enterprises[0].sources[0].channels[2].unit", "one of mg/m3"),
    ("[-5, 5000]", "«[5, 5]", "enterprises[0].sources[0].channels[0].range", "not below"),
    ("[-5, 5000]", "[«.nan, 5]", "enterprises[0].sources[0].channels[0].range[0]", "finite"),
    ("[-5, 5000]", "[«-5%, 5]", "enterprises[0].sources[0].channels[0].range[0]", "a number"),
    ("[-5, 5000]", "[«007, 5000]", "enterprises[0].sources[0].channels[0].range[0]", "zeros"),
    ("[-5, 5000]", "[0, «12:30:00]", "enterprises[0].sources[0].channels[0].range[1]", "text"),
    ("period: 60s", "period: «7s", "enterprises[0].sources[0].channels[0].period", "the minute"),
    ("period: 60s", "period: «90s", "enterprises[0].sources[0].channels[0].period", "the hour"),
    ("period: 60s", "period: «5h", "enterprises[0].sources[0].channels[0].period", "the day"),
    ("period: 60s", "period: «2d", "enterprises[0].sources[0].channels[0].period", "cannot"),
    ("period: 60s", "period: «0s", "enterprises[0].sources[0].channels[0].period", "cannot"),
    ("period: 60s", "period: «1m", "enterprises[0].sources[0].channels[0].period", "duration"),
    ("period: 60s", "period: «60", "enterprises[0].sources[0].channels[0].period", "quotes"),
    ("period: 60s", "period: «1month", "enterprises[0].sources[0].channels[0].period", "months"),
    ("[-1, -999]", "«-1", "enterprises[0].sources[0].channels[1].missing", "expected a list"),
    ("[-1, -999]", "[«x]", "enterprises[0].sources[0].channels[1].missing[0]", "found the text"),
    (CHANNEL, CHANNEL[:-1] + ", max_step: «0}", "enterprises[0].sources[0].channels[0].max_step",
     "0 must be above 0"),
    (CHANNEL, CHANNEL[:-1] + ", agreement: «5}",
     "enterprises[0].sources[0].channels[0].agreement", "5 must be at most 1"),
    (CHANNEL, CHANNEL[:-1] + ", stuck_after: «soon}",
     "enterprises[0].sources[0].channels[0].stuck_after", "not a duration such as"),
    (CHANNEL, CHANNEL[:-1] + ", basis: {o2: «21}}",
     "enterprises[0].sources[0].channels[0].basis.o2", "below 20.9"),
    (CHANNEL, CHANNEL[:-1] + ", basis: {dry: «yes}}",
     "enterprises[0].sources[0].channels[0].basis.dry", "expected true or false"),
    (CHANNEL, "«so2", "enterprises[0].sources[0].channels[0]", "expected a mapping"),
    # units of the enterprise
    ("so2: stack-1/so2", "so2: «so2", "enterprises[0].units[0].channels.so2", "source/channel"),
    ("so2: stack-1/so2", "so2: «stack-1/so3", "enterprises[0].units[0].channels.so2",
     'no channel "stack-1/so3" in gres1'),
    ("no: stack-1/no", "no: «stack-1/so2", "enterprises[0].units[0].channels.no",
     "one unit and one key at a time, see plant.yaml:18:25"),
    # permits
    ("number: KZ28VDD00145762", "number: «28", "permits[0].number", "put it in quotes"),
    ("enterprise: gres1", "enterprise: «gres2", "permits[0].enterprise", 'no enterprise "gres2"'),
    ("valid: {from: 2026-01-01, until: 2030-12-31}",
     "valid: «{from: 2026-01-01, until: 2025-12-31}", "permits[0].valid", "is before from"),
    ("from: 2026-01-01", "from: «2026-02-29", "permits[0].valid.from", "there is no day"),
    ("from: 2026-01-01", "from: «01.01.2026", "permits[0].valid.from", "not a day such as"),
    ("until: 2030-12-31", "until: «1830-12-31", "permits[0].valid.until", "the year 1830"),
    # limits
    ("value: 700", "value: «0", "permits[0].limits[0].value", "leave it out"),
    ("value: 700", "value: «2e9", "permits[0].limits[0].value", "at most 1e+09"),
    ("value: 700", "value: «0700", "permits[0].limits[0].value", "with leading zeros it is text"),
    ("value: 700, unit: mg/m3", "value: 700, unit: «g/s", "permits[0].limits[0].unit",
     "a limit in g/s on a channel in mg/m3"),
    ("average: 20min", "average: «90s", "permits[0].limits[0].average", "whole minutes"),
    ("average: 20min", "average: «7min", "permits[0].limits[0].average", "a whole number of them"),
    ("average: 20min", "average: «90min", "permits[0].limits[0].average", "a multiple of 20min"),
    ("average: 20min", "average: «5h", "permits[0].limits[0].average", "a whole number of them"),
    ("average: 20min", "average: «2d", "permits[0].limits[0].average", "a whole number of them"),
    ("average: 20min", "average: «0min", "permits[0].limits[0].average", "cannot be judged"),
    ("channel: so2, value: 700, unit: mg/m3, average: 20min",
     "channel: no, value: 700, unit: mg/m3, average: «30min", "permits[0].limits[0].average",
     "no whole multiple of the channel's period of 20min"),
    (LIMIT, LIMIT.replace("stack-1", "«stack-2"), "permits[0].limits[1].source", 'no source "st'),
    (LIMIT, LIMIT.replace("so2", "«so3"), "permits[0].limits[1].channel", "at stack-1"),
    (LIMIT, "«" + LIMIT.replace("1d", "1200s"), "permits[0].limits[1]",
     "has a limit over 1200s in this permit already: plant.yaml:24:9"),
    (LIMIT, LIMIT[:-1] + ", coverage: «0}", "permits[0].limits[1].coverage", "above 0"),
    (LIMIT, LIMIT[:-1] + ", coverage: «3/2}", "permits[0].limits[1].coverage", "up to 1"),
    (LIMIT, LIMIT[:-1] + ", coverage: «2/0}", "permits[0].limits[1].coverage", "fraction"),
    (LIMIT, LIMIT[:-1] + ", coverage: «most}", "permits[0].limits[1].coverage", "fraction"),
    (LIMIT, LIMIT[:-1] + ", warn_at: «80}", "permits[0].limits[1].warn_at", "up to 1"),
    (LIMIT, LIMIT[:-1] + ", clear_at: «true}", "permits[0].limits[1].clear_at", "a share"),
    (LIMIT, LIMIT[:-1] + ", open_after: «1h30min}", "permits[0].limits[1].open_after", "duration"),
    (LIMIT, LIMIT[:-1] + ", clear_after: «-5min}", "permits[0].limits[1].clear_after", "duration"),
    # recipients
    ("type: webhook", "type: «mail", "recipients[0].type", '"mail" is not one of webhook'),
    ("http://127.0.0.1:9000/hook", "«ftp://127.0.0.1/", "recipients[0].url", "http:// or https://"),
    ("http://127.0.0.1:9000/hook", "«http://", "recipients[0].url", "http:// or https://"),
    ("http://127.0.0.1:9000/hook", "«http://me:pw@a.kz/", "recipients[0].url", "not belong"),
    ("{env: AMS_HOOK_SECRET}", "«hunter2", "recipients[0].secret", "a mapping of key: value"),
    ("{env: AMS_HOOK_SECRET}", "{env: «hunter-2}", "recipients[0].secret.env", "never the secret"),
    ('["*"]', "«[]", "recipients[0].enterprises", "at least one entry"),
    ('["*"]', '["*", «gres9]', "recipients[0].enterprises[1]", 'no enterprise "gres9"'),
    # the file
    ("recipients:", "«recipient:", "recipient", "did you mean recipients?"),
    ("enterprises:\n  - id: gres1", "effective: «tomorrow\nenterprises:\n  - id: gres1",
     "effective", "RFC 3339"),
    ("enterprises:\n  - id: gres1", "effective: «2026-01-01T00:00:00\nenterprises:\n  - id: gres1",
     "effective", "with an offset"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "words"), RULES)
def test_a_broken_rule_is_named_with_its_place(old: str, new: str, path: str, words: str) -> None:
    text, line, column = broken(old, new)
    faults = faults_of(text)
    assert [(fault.line, fault.column, fault.path) for fault in faults] == [(line, column, path)]
    assert words in faults[0].message
    assert str(faults[0]).startswith(f"plant.yaml:{line}:{column}: {path}: ")


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("- id: gres1", "- id: «GRES 1", "enterprises[0].id", "1 to 40 of a-z, 0-9 and -"),
        ("- id: gres1", "- id: «" + "a" * 41, "enterprises[0].id", "1 to 40"),
        ("- id: gres1", "- id: «1", "enterprises[0].id", "put it in quotes"),
        ("- id: gres1\n    name", "- «name", "enterprises[0]", "id is missing"),
    ],
)
def test_a_broken_enterprise_id_is_named_first(old: str, new: str, path: str, words: str) -> None:
    text, line, column = broken(old, new)
    fault = faults_of(text)[0]
    assert (fault.line, fault.column, fault.path) == (line, column, path)
    assert words in fault.message


def test_the_valid_registry_is_valid() -> None:
    assert parse_registry_text("plant.yaml", VALID).channels == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"+05:00"', "Asia/Almaty"),
        ('"+05:00"', '"-07:00"'),
        ("KZ-PAV", "KZ-55"),
        ("[-5, 5000]", "[-1e3, +.5]"),
        ("period: 60s", "period: 1s"),
        ("average: 1d", "average: 8h"),
        ("average: 1d", "average: 24h"),
        ("average: 20min", "average: 60s"),
        ("average: 1d}", "average: 1d, coverage: 75/100, warn_at: 1, clear_at: 0.95}"),
        ("average: 1d}", "average: 1d, coverage: '0.9', open_after: 10min, clear_after: 0s}"),
        ('["*"]', '"*"'),
        ('["*"]', "[gres1]"),
        ("until: 2030-12-31", "until: 9999-12-31"),
        ("    bin:", "    # bin:"),
        ("    units:\n      - id: ams-1\n        channels:", "    # "),
        ("enterprises:\n", "effective: 2026-11-22T03:20:00+05:00\nenterprises:\n"),
        ("stack-1, channel: so2, value: 400", "stack-1, channel: so2, value: 700.1"),
    ],
)
def test_what_the_contract_allows_is_valid(old: str, new: str) -> None:
    assert VALID.count(old) == 1
    parse_registry_text("plant.yaml", VALID.replace(old, new))


def test_the_same_id_twice_names_both_places() -> None:
    text, line, column = with_place(
        VALID.replace("    units:", "      - id: «stack-1\n        channels: []\n    units:")
    )
    [fault] = faults_of(text)
    assert (fault.line, fault.column) == (line, column)
    assert fault.message == 'the source "stack-1" is there twice: first at plant.yaml:9:13'


AGAIN = "enterprise: gres1, valid: {from: 2026-01-01, until: 2026-01-01}"
TOLD = 'type: webhook, url: "https://a.kz", secret: {env: A}, enterprises: [gres1]'


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("permits:\n", "  - id: «gres1\n    sources: []\npermits:\n", "2:9"),
        ("    units:\n", "          - {id: «o2, parameter: o2, unit: K, period: 1s}\n    units:\n",
         "15:18"),
        ("permits:\n", "      - {id: «ams-1}\npermits:\n", "17:13"),
        ("recipients:\n", f"  - {{number: «KZ28VDD00145762, {AGAIN}}}\nrecipients:\n", "20:13"),
        ('["*"]\n', f'["*"]\n  - {{id: «committee, {TOLD}}}\n', "27:9"),
    ],
)  # fmt: skip
def test_every_kind_of_id_is_unique(old: str, new: str, first: str) -> None:
    text, line, column = broken(old, new)
    [fault] = faults_of(text)
    assert (fault.line, fault.column) == (line, column)
    assert fault.message.endswith(f"is there twice: first at plant.yaml:{first}")


def test_every_error_is_reported_not_only_the_first() -> None:
    text = (
        VALID.replace("KZ-PAV", "KZ-XX")
        .replace("period: 60s", "period: 7s")
        .replace("so2: stack-1/so2", "so2: stack-1/so3")
        .replace("average: 20min", "average: 90min")
        .replace("channel: so2, value: 400", "channel: so9, value: -1")
        .replace('["*"]', "[gres7]")
    )
    assert [fault.path for fault in faults_of(text)] == [
        "enterprises[0].region",
        "enterprises[0].sources[0].channels[0].period",
        "enterprises[0].units[0].channels.so2",
        "permits[0].limits[0].average",
        "permits[0].limits[1].channel",
        "permits[0].limits[1].value",
        "recipients[0].enterprises[0]",
    ]


def test_what_follows_from_an_error_is_not_an_error_of_its_own() -> None:
    # the unit of measure is wrong, so nothing is said of limits in another one
    text, line, column = broken('"0330", unit: mg/m3', '"0330", unit: «mg/Nm3')
    assert [(fault.line, fault.column) for fault in faults_of(text)] == [(line, column)]


def test_a_secret_never_appears_in_an_error() -> None:
    text = VALID.replace("{env: AMS_HOOK_SECRET}", "hunter2")
    assert "hunter2" not in str(faults_of(text)[0])


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "~", "[]", "permits: []", "enterprises:"])
def test_a_file_without_enterprises_is_an_error_and_not_an_empty_registry(text: str) -> None:
    assert len(faults_of(text)) == 1
