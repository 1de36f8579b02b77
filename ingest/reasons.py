"""Why a message or a value is set aside: stable codes, each with the sentence that explains it."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The code that quarantine, API and metrics show; ``sentence`` says what it means."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Reason:  # noqa: PYI034 - an enum's members are its own class
        """Make the member ``code`` with its sentence."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member

    # Whole messages.
    NOT_JSON = "not_json", "The payload is not one JSON text in UTF-8 (RFC 8259)."
    NOT_SCHEMA = "not_schema", "The payload is JSON, but not of the schema of its topic."
    REPEATED_KEY = "repeated_key", "An object of the payload names a key twice."
    TOO_LARGE = "too_large", "The payload is larger than 4 MiB."
    UNKNOWN_ENTERPRISE = "unknown_enterprise", "The registry has no unit of the topic's enterprise."
    UNKNOWN_UNIT = "unknown_unit", "The registry has no such unit of this enterprise."

    # Single values.
    UNKNOWN_CHANNEL = "unknown_channel", "The unit's registry entry has no such key."
    UNKNOWN_STATUS = "unknown_status", "The status is none of the known codes."
    NULL_WITHOUT_STATUS = "null_without_status", "A null needs a status that says why."
    NOT_A_NUMBER = "not_a_number", "The value is neither a number nor null."
    NOT_FINITE = "not_finite", "The value is not finite or beyond the range of doubles."
    OUT_OF_BOUNDS = "out_of_bounds", "The value's magnitude is above 1e9."
    IN_THE_FUTURE = "in_the_future", "The time is more than 5 minutes after receipt."
    TOO_OLD = "too_old", "The time is before the earliest that the server accepts."

    # Block means that a unit reports.
    WRONG_PERIOD = "wrong_period", "The channel has no block means of this length."
    NO_SUCH_BLOCK = "no_such_block", "No block of this length begins at this time."

    # Both: what only the database finds.
    REFUSED_BY_DATABASE = "refused_by_database", "The database refuses it; the detail says why."
