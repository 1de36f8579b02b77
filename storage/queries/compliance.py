"""Compliance with the conditions of rule sets: periods as they are judged now or were known at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.queries.page import (
    FIRST_INSTANT,
    Item,
    Key,
    Page,
    Part,
    Span,
    judged_channel,
    paged,
    rfc3339,
)

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

BEFORE_ALL: Key = (FIRST_INSTANT, 0, FIRST_INSTANT)

# A period that is not over shows its present figures, unless it is asked what was known before:
# then those of the moment at which its state last changed. Who asks for running periods only is
# answered from those, however long the history is.
_LIST = """
select c.start, c."limit" as id, c.finish, c.known_at, c.revision, c.over,
       coalesce(r.limit_version, c.limit_version) as limit_version,
       judgement_name(coalesce(r.state, c.state)) as state,
       judgement_name(coalesce(r.alone, c.alone)) as alone,
       case when r."limit" is null then c.value else r.value end as value,
       case when r."limit" is null then c.raw else r.raw end as raw,
       case when r."limit" is null then c.complete else r.complete end as complete,
       coalesce(r.valid, c.valid) as valid, coalesce(r.expected, c.expected) as expected,
       nullif(coalesce(r.exceeding, c.exceeding), -1) as exceeding,
       nullif(coalesce(r.allowed, c.allowed), -1) as allowed,
       coalesce(r.substituted, c.substituted) as substituted,
       case when r."limit" is null then c.replaced else r.replaced end as replaced,
       case when r."limit" is null then c.estimate else r.estimate end as estimate,
       case when r."limit" is null then filled_methods(c) else filled_methods(r) end as methods,
       r.until, r.rest, r.forecast, r.breaks_at,
       e.enterprise, e.source, e.channel, nullif(e.basis, '') as basis, l.permit, v.rule, v.uom
from compliance c
join limits l on l.id = c."limit"
join channels e on e.id = l.channel
left join compliance_running r
    on r."limit" = c."limit" and r.finish = c.finish and not c.over and $6::timestamptz is null
join limit_versions v
    on v."limit" = c."limit" and v.version = coalesce(r.limit_version, c.limit_version)
where c.start >= greatest($1::timestamptz, $3::timestamptz) and c.start < $2
  and (c.start, c."limit", c.finish) > ($3, $4, $5)
  and ($6::timestamptz is null or c.known_at <= $6)
  and not exists (
      select from compliance n
      where n."limit" = c."limit" and n.finish = c.finish and n.revision > c.revision
        and ($6::timestamptz is null or n.known_at <= $6))
  and c.state < 3
  and ($7::int[] is null or l.channel = any($7))
  and ($8::text is null or v.rule ->> 'rules' = $8)
  and ($9::text is null or v.rule ->> 'condition' = $9)
  and ($10::text is null or v.rule ->> 'average' = $10)
  and ($11::text is null or judgement_name(coalesce(r.state, c.state)) = $11)
  and ($12::boolean is null or c.over <> $12)
  and ($12::boolean is not true or $6::timestamptz is not null or r."limit" is not null)
order by c.start, c."limit", c.finish limit $13
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is narrowed to; None: not at all. ``known_at``: only what was known by then."""

    rules: str | None = None
    condition: str | None = None
    average: str | None = None
    state: str | None = None
    running: bool | None = None
    known_at: datetime | None = None


async def compliance(
    conn: Connection, channels: list[int] | None, asked: Asked, span: Span, part: Part
) -> Page:
    """Return what conditions were judged to be, by start, limit and end of the period; key: those.

    ``channels`` None means all.
    """
    rows = await conn.fetch(
        _LIST,
        span.start,
        span.end,
        *part.after,
        asked.known_at,
        channels,
        asked.rules,
        asked.condition,
        asked.average,
        asked.state,
        asked.running,
        part.limit + 1,
    )
    return paged(rows, part.limit, _item, "start", "id", "finish")


def _item(row: Record) -> Item:
    rule = row["rule"]
    allowed, exceeding = row["allowed"], row["exceeding"]
    counts = allowed is not None and exceeding is not None
    return {
        **judged_channel(row),
        "rules": rule["rules"],
        "version": rule["version"],
        "condition": rule["condition"],
        "clause": rule["clause"],
        "verified": rule["verified"],
        "statistic": rule["statistic"],
        "average": rule["average"],
        "per": rule["per"],
        "group": rule["group"],
        "start": rfc3339(row["start"]),
        "end": rfc3339(row["finish"]),
        "label": rfc3339(row["finish"] if rule["label"] == "end" else row["start"]),
        "value": row["value"],
        "raw": row["raw"],
        "state": row["state"],
        "alone": row["alone"],
        "limit": rule["limit"],
        "factor": rule["factor"],
        "uom": row["uom"],
        "limit_version": row["limit_version"],
        "valid": row["valid"],
        "expected": row["expected"],
        "exceeding": exceeding,
        "allowed": allowed,
        "left": allowed - exceeding if counts else None,
        "substituted": row["substituted"],
        "methods": row["methods"] or {},
        "replaced": row["replaced"],
        "estimate": row["estimate"],
        "complete": row["complete"],
        "over": row["over"],
        "until": rfc3339(row["until"]),
        "rest_may_average": row["rest"],
        "forecast": row["forecast"],
        "breaks_at": rfc3339(row["breaks_at"]),
        "known_at": rfc3339(row["known_at"]),
        "revision": row["revision"],
    }
