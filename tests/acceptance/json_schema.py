"""As much of JSON Schema 2020-12 as the payloads' schema uses; an unknown word is an error."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
NOTES = {"$schema", "$defs", "title", "description", "examples", "default", "format"}


def satisfies(value: Any, schema: Any, root: dict[str, Any]) -> bool:
    """Tell whether ``value`` is as ``schema`` wants it; references are looked up in ``root``."""
    return all(
        _holds(word, wanted, value, schema, root)
        for word, wanted in schema.items()
        if word not in NOTES
    )


def _holds(  # noqa: PLR0911 - a way out for each keyword
    word: str, wanted: Any, value: Any, schema: Any, root: dict[str, Any]
) -> bool:
    match word:
        case "$ref":
            return satisfies(value, root["$defs"][wanted.removeprefix("#/$defs/")], root)
        case "anyOf":
            return any(satisfies(value, one, root) for one in wanted)
        case "type":
            return isinstance(value, TYPES[wanted]) and not isinstance(value, bool)
        case "enum":
            return value in wanted
        case "minimum" | "maximum":
            return _number(word, wanted, value)
        case "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties":
            return _size(word, wanted, value)
    return _members(word, wanted, value, schema, root)


def _number(word: str, wanted: float, value: Any) -> bool:
    if not isinstance(value, int | float):
        return True
    return value >= wanted if word == "minimum" else value <= wanted


def _size(word: str, wanted: int, value: Any) -> bool:
    kinds: dict[str, type] = {"Length": str, "Items": list, "Properties": dict}
    if not isinstance(value, str | list | dict) or not isinstance(value, kinds[word[3:]]):
        return True
    size = len(value)
    return size >= wanted if word.startswith("min") else size <= wanted


def _members(word: str, wanted: Any, value: Any, schema: Any, root: dict[str, Any]) -> bool:
    if word == "items":
        return not isinstance(value, list) or all(satisfies(one, wanted, root) for one in value)
    if not isinstance(value, dict):
        return True
    named = schema.get("properties", {})
    match word:
        case "required":
            return all(name in value for name in wanted)
        case "properties":
            return all(
                satisfies(value[name], wanted[name], root) for name in wanted if name in value
            )
        case "additionalProperties":
            others = [value[name] for name in value if name not in named]
            return (
                not others if wanted is False else all(satisfies(o, wanted, root) for o in others)
            )
    raise AssertionError(f"{word} is a keyword that this test does not know")
