"""What the models find wrong, in words for whoever mends the file."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from ingest import registry_model as model
from ingest import registry_types as types
from ingest import rules_model as rules
from ingest.registry_faults import Finding

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from ingest.registry_faults import Loc

_PATTERNS = {
    types.ID_PATTERN: "an id is 1 to 40 of a-z, 0-9 and -",
    types.NAME_PATTERN: (
        "an id is 1 to 40 of letters, digits, . _ and -, beginning with a letter or digit"
    ),
    types.REFERENCE_PATTERN: "a channel is named source/channel, such as stack-1/so2",
    types.TEXT_PATTERN: "text must not be empty nor hold control characters",
    types.KEY_PATTERN: "a payload key is 1 to 64 characters, none of them a control character",
    types.BIN_PATTERN: "a BIN is 12 digits",
    types.PARAMETER_PATTERN: (
        f"a parameter is a 4-digit substance code or one of {', '.join(types.PARAMETERS)}"
    ),
    types.SUBSTANCE_PATTERN: 'a substance is its 4-digit code in quotes, such as "0330"',
    types.CONDITION_PATTERN: "a condition's id is 1 to 40 of a-z, 0-9 and _",
    types.VARIABLE_PATTERN: (
        "env is the name of an environment variable (letters, digits, _), never the secret itself"
    ),
    types.LANGUAGE_PATTERN: "a language is its two-letter code: en, ru, kk",
    types.RECIPIENT_PATTERN: 'an enterprise\'s id, or "*" for all',
}
_EXPECTED = {
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of key: value",
    "dataclass_type": "a mapping of key: value",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_FIELDS = {
    name
    for entry in (
        model.Document, model.Enterprise, model.Source, model.Channel, model.Basis, model.Unit,
        model.Permit, model.Limit, model.Validity, model.Recipient, model.Secret,
        model.Auxiliary, model.Calibration, model.NoxOf, rules.RuleSet, rules.RuleVersion,
        rules.Reference, rules.ValidityRules, rules.Uncertainty, rules.SmallLimit,
        rules.Substitutes, rules.Condition,
    )
    for name in (field.rstrip("_") for field in entry.__dataclass_fields__)
}  # fmt: skip
_LEADING_ZEROS = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?")
_JSON_PLACE = re.compile(r" at line \d+ column \d+")
_SHOWN = 60  # characters of a wrong value


def explain(file: int, error: ErrorDetails) -> Finding:
    """Return one error of the models as a finding of file number ``file``."""
    loc: Loc = error["loc"]
    at_key = bool(loc) and loc[-1] == "[key]"
    if at_key:
        loc = loc[:-1]
    kind, context = error["type"], error.get("ctx", {})
    if kind == "unexpected_keyword_argument":
        return Finding(file, loc, _unknown(str(loc[-1])), at_key=True)
    if kind == "missing":
        what = (
            "two numbers are expected here" if isinstance(loc[-1], int) else f"{loc[-1]} is missing"
        )
        return Finding(file, loc[:-1], what)
    return Finding(file, loc, _message(kind, context, error["input"]), at_key)


def _message(kind: str, context: dict[str, Any], given: object) -> str:  # noqa: PLR0911 - a table
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {_found(kind, given)}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{_shown(given)} must be {words} {context[key]:g}{_no_limit(context)}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(given)}: {_PATTERNS[context['pattern']]}"
    if kind == "literal_error":
        names = context["expected"].replace("'", "").replace(" or ", ", ")
        return f"{_shown(given)} is not one of {names}"
    if kind == "finite_number":
        return "not a finite number"
    if kind in ("too_long", "too_short"):
        least = "at least one entry is expected here"
        return "two numbers are expected here" if kind == "too_long" else least
    if kind == "string_too_long":
        return f"text of more than {context['max_length']} characters"
    if kind == "json_invalid":
        return f"not JSON: {_JSON_PLACE.sub('', context['error'])}"
    return kind.replace("_", " ")


def _no_limit(context: dict[str, Any]) -> str:
    return ": where there is no limit, leave it out" if context.get("gt") == 0 else ""


def _found(kind: str, given: object) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, (list, dict)):
        return "a list" if isinstance(given, list) else "a mapping"
    if kind == "string_type":
        what = str(given).lower() if isinstance(given, bool) else f"the number {_shown(given)}"
        return f"{what}: if it is text, put it in quotes"
    if isinstance(given, str) and kind in ("float_type", "int_type"):
        if _LEADING_ZEROS.fullmatch(given):
            return f"{_shown(given)}: with leading zeros it is text, write the number without them"
        return f"the text {_shown(given)}"
    return "text" if isinstance(given, str) else str(given).lower()  # never a secret


def _shown(given: object) -> str:
    text = str(given)
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return f'"{text}"' if isinstance(given, str) else text


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, _FIELDS, n=1)
    hint = f"; did you mean {close[0]}?" if close and close[0] != name else ""
    return f"{_shown(name)} is not known here{hint}"
