"""Query parameters: their types, what each expects, and the refusal of everything else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import WithJsonSchema as Schema

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND
from console.problems import Problem, bad_parameter
from storage.queries.page import FIRST_INSTANT, LAST_INSTANT, Span
from storage.queries.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from multidict import MultiMapping

MOST_ITEMS = 10_000
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?([Zz]|[+\- ]\d\d:\d\d)", re.ASCII
)
_DURATION = re.compile(r"([1-9]\d{0,8})(s|min|h|d)", re.ASCII)
_UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
_LONGEST_WINDOW = 366 * DAY
_ID = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")


def instant(text: str) -> datetime:
    """Read RFC 3339; a space for the offset's sign is a '+' that was not percent-encoded."""
    match = _INSTANT.fullmatch(text)
    if match:
        day, clock, fraction, offset = match.groups()
        offset = "+00:00" if offset in "Zz" else offset.replace(" ", "+")
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}.{fraction or 0:0<6}{offset}")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # such as the 30th of February: refused like any other text
    raise ValueError("expected a time such as 2026-11-22T03:20:00Z or 2026-11-22T08:20:00+05:00")


def duration(text: str) -> int:
    """Read a duration such as ``20min`` into microseconds."""
    match = _DURATION.fullmatch(text)
    length = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < length <= _LONGEST_WINDOW:
        raise ValueError("expected a duration such as 20min, 1h or 1d, at most 366d")
    return length


def _item_count(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not 1 <= int(text) <= MOST_ITEMS:
        raise ValueError(f"expected an integer from 1 to {MOST_ITEMS}")
    return int(text)


def _path(most_parts: int, example: str) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of ids, alone or with all that they lie in."""

    def read(text: str) -> tuple[str, ...]:
        parts = tuple(text.split("/"))
        if len(parts) not in (1, most_parts) or not all(_ID.fullmatch(part) for part in parts):
            raise ValueError(f"expected {example}")
        return parts

    return read


def _text(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError("expected an id without blanks")
    return text


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("expected a UUID, the id of an alert") from None


_TEXT = {"type": "string"}
_DURATION_SCHEMA = {"type": "string", "pattern": "^[1-9][0-9]*(s|min|h|d)$"}
_COUNT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS}

Path = tuple[str, ...] | None
Instant = Annotated[
    datetime | None, BeforeValidator(instant), Schema({**_TEXT, "format": "date-time"})
]
Window = Annotated[int, BeforeValidator(duration), Schema(_DURATION_SCHEMA)]
Count = Annotated[int, BeforeValidator(_item_count), Schema(_COUNT_SCHEMA)]
EnterpriseId = Annotated[
    Path, BeforeValidator(_path(1, "an enterprise's id such as gres1")), Schema(_TEXT)
]
SourcePath = Annotated[
    Path,
    BeforeValidator(_path(2, "a source's id or path, such as stack-1 or gres1/stack-1")),
    Schema(_TEXT),
]
ChannelPath = Annotated[
    Path,
    BeforeValidator(_path(3, "a channel's id or path, such as so2 or gres1/stack-1/so2")),
    Schema(_TEXT),
]
UnitPath = Annotated[
    Path,
    BeforeValidator(_path(2, "a unit's id or path, such as ams-1 or gres1/ams-1")),
    Schema(_TEXT),
]
Text = Annotated[str | None, BeforeValidator(_text), Schema(_TEXT)]
AlertId = Annotated[UUID | None, BeforeValidator(_uuid), Schema({**_TEXT, "format": "uuid"})]


SOURCE: Any = Field(None, description="A source's id or path: stack-1, gres1/stack-1.")


class Query(BaseModel):
    """What a route may be asked; anything else is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class ListQuery(Query):
    """Every list comes in pages."""

    limit: Count = Field(1000, description="Most items in one answer.")
    cursor: str | None = Field(
        None,
        description="The `next` of the answer before, which shows what follows it.",
        validation_alias=AliasChoices("cursor", "next"),
    )


class EnterpriseQuery(ListQuery):
    """Lists of what belongs to enterprises."""

    enterprise: EnterpriseId = Field(None, description="An enterprise's id.")

    @property
    def scope(self) -> Scope:
        """The ids asked for; a filter that the route does not have asks for none."""
        return _scope({name: getattr(self, name, None) for name in _PARTS})


class UnitQuery(EnterpriseQuery):
    """Lists of what belongs to units."""

    unit: UnitPath = Field(None, description="A unit's id or path: ams-1, gres1/ams-1.")


class ChannelQuery(UnitQuery):
    """Lists of what belongs to channels; a unit stands for the channels that it reports."""

    source: SourcePath = SOURCE
    channel: ChannelPath = Field(
        None, description="A channel's id or path: so2, gres1/stack-1/so2."
    )


class SpanQuery(Query):
    """Lists in time: start <= t < end."""

    start: Instant = Field(None, description="The first instant.")
    end: Instant = Field(None, description="The first instant that is too late.")

    @property
    def span(self) -> Span:
        """The instants asked for; open where nothing was said."""
        return Span(self.start or FIRST_INSTANT, self.end or LAST_INSTANT)


_PARTS = {
    "enterprise": ("enterprise",),
    "source": ("enterprise", "source"),
    "channel": ("enterprise", "source", "channel"),
    "unit": ("enterprise", "unit"),
}


def _scope(paths: Mapping[str, tuple[str, ...] | None]) -> Scope:
    """Join the filters: what a path says of an enterprise must agree with the others."""
    ids: dict[str, str] = {}
    for name, path in paths.items():
        for part, value in zip(_PARTS[name][-len(path or ()) :], path or (), strict=False):
            if ids.setdefault(part, value) != value:
                return Scope(nothing=True)
    return Scope(ids.get("enterprise"), ids.get("source"), ids.get("channel"), ids.get("unit"))


Asked = TypeVar("Asked", bound=Query)


def parse_query(model: type[Asked], query: MultiMapping[str]) -> Asked:
    """Return the query's values; a Problem names the first parameter that is not right."""
    for name in query:
        if len(query.getall(name)) > 1:
            raise bad_parameter(name, f"{name}: expected once, given more often.")
        if "\x00" in query[name]:
            raise bad_parameter(name, f"{name}: expected text without NUL.")
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise _refusal(model, error) from error


def _refusal(model: type[Query], error: ValidationError) -> Problem:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields) or "none"
        return bad_parameter(name, f"{name}: unknown parameter; this route takes: {known}.")
    if first["type"] == "missing":
        return bad_parameter(name, f"{name}: required.")
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return bad_parameter(name, f"{name}: {said}.")
