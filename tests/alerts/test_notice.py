"""Contract 6: what a notice's event says, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from uuid import UUID, uuid4

import pytest

from alerts.notice import event, event_type, signature
from alerts.recipients import recipient

ID = UUID("0192f5a0-0000-7000-8000-000000000001")
ALERT = {
    "id": "0192f5a0-0000-7000-8000-0000000000aa",
    "enterprise": "gres1",
    "source": "stack-1",
    "channel": "so2",
    "parameter": "0330",
    "window": "20min",
    "limit": 700.0,
    "uom": "mg/m3",
    "severity": "exceedance",
    "state": "open",
    "peak": 812.5,
}
EVIDENCE = {"start": "2026-11-22T03:00:00Z", "end": "2026-11-22T03:20:00Z", "mean": 812.5}


def made(**changed: object) -> bytes:
    return event(
        **{  # type: ignore[arg-type]  # each test changes what it is about
            "id": ID,
            "source": "urn:uuid:6f1c",
            "change": "opened",
            "time": 1_795_317_605_250_000,
            "alert": ALERT,
            "evidence": EVIDENCE,
            **changed,
        }
    )


def test_it_has_the_attributes_that_cloudevents_requires_and_no_unknown_ones() -> None:
    said = json.loads(made())
    # CloudEvents 1.0.2, "Context Attributes": four required, the rest optional.
    assert {name: said[name] for name in ("specversion", "id", "source", "type")} == {
        "specversion": "1.0",
        "id": str(ID),
        "source": "urn:uuid:6f1c",
        "type": "kz.ams.alert.opened",
    }
    assert said["subject"] == ALERT["id"]
    assert said["time"] == "2026-11-22T03:20:05.250000Z"
    assert said["datacontenttype"] == "application/json"
    assert set(said) == {
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data")
    }


def test_attribute_names_are_lower_case_letters_and_digits_and_values_are_not_empty() -> None:
    said = json.loads(made())
    assert all(name.isalnum() and name.islower() for name in said)
    assert all(said[name] for name in said)


def test_its_data_is_the_alert_as_the_api_shows_it_with_the_values_behind_the_judgement() -> None:
    assert json.loads(made())["data"] == {**ALERT, "evidence": EVIDENCE}


def test_names_in_kazakh_and_russian_stay_readable() -> None:
    body = made(alert={**ALERT, "name": "Екібастұз ГРЭС-1"})
    assert "Екібастұз ГРЭС-1".encode() in body


@pytest.mark.parametrize("change", ["opened", "updated", "resolved", "withdrawn"])
def test_the_four_changes_have_their_types(change: str) -> None:
    assert json.loads(made(change=change))["type"] == f"kz.ams.alert.{change}"


def test_another_change_is_refused() -> None:
    with pytest.raises(ValueError, match="'closed' is not a kind of notice; expected one of"):
        event_type("closed")


def test_nan_is_refused_because_json_has_no_word_for_it() -> None:
    with pytest.raises(ValueError, match="JSON"):
        made(alert={**ALERT, "id": str(uuid4()), "peak": math.nan})


def test_the_signature_is_the_hmac_of_the_raw_body() -> None:
    body = made()
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert signature(b"s3cret", body) == f"sha256={expected}"
    # RFC 4231, test case 2
    assert signature(b"Jefe", b"what do ya want for nothing?") == (
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_a_recipients_secret_comes_from_the_environment() -> None:
    entry = {"id": "committee", "url": "http://h/", "secret": {"env": "HOOK"}}
    assert recipient(entry, {"HOOK": "s3cret"}).secret == b"s3cret"
    for environ in ({}, {"HOOK": ""}):
        lacking = recipient(entry, environ)
        assert lacking.trouble == "environment variable HOOK is not set"
    open_one = recipient({"id": "log", "url": "http://h/"}, {})
    assert (open_one.secret, open_one.trouble) == (None, None)


def test_neither_secret_nor_url_shows_when_a_recipient_is_printed() -> None:
    entry = {"id": "committee", "url": "http://u:pw@h/", "secret": {"env": "HOOK"}}
    assert repr(recipient(entry, {"HOOK": "s3cret"})) == "Recipient('committee')"
