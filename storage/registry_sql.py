"""The statements that turn a staged registry into versions.

`$1` is the registry's version, whose row says from when its changes apply. Of each step, `change`,
`end` and `add` run in this order, so that `add` finds only what never had a version.
"""

from __future__ import annotations

from typing import NamedTuple

PREPARE = """
set local statement_timeout = 0;
set local work_mem = '128MB';
create temp table new_entities (
    kind text, path text, definition jsonb
) on commit drop;
create temp table new_channels (
    enterprise text, source text, channel text, parameter text, uom text, range_low float8,
    range_high float8, period_us bigint, missing float8[], stuck_after_us bigint,
    max_step float8, state jsonb, basis text, recipe jsonb, agreement float8
) on commit drop;
create temp table new_units (
    enterprise text, unit text
) on commit drop;
create temp table new_keys (
    enterprise text, unit text, key text, source text, channel text
) on commit drop;
create temp table new_limits (
    permit text, enterprise text, source text, channel text, average text, window_us bigint,
    valid_from timestamptz, valid_until timestamptz, value float8, uom text, coverage text,
    warn_at text, clear_at text, open_after_us bigint, clear_after_us bigint, basis text,
    condition text, rule jsonb
) on commit drop
"""

ANALYZE = "analyze new_entities, new_channels, new_units, new_keys, new_limits"

# Numbers without gaps, also after a failed attempt, since arrays are as long as the highest:
# no sequence is asked. One registry is applied at a time, so nobody else hands them out.
BEGIN_VERSION = """
insert into registry_versions (id, effective, source, digest) overriding system value
select coalesce(max(id), 0) + 1, coalesce($1, now()), $2, $3 from registry_versions
returning id, effective
"""


class Step(NamedTuple):
    """The statements for one kind of entry; `identify` gives numbers to what is new."""

    identify: tuple[str, ...]
    change: str
    end: str
    add: str
    analyze: str  # without it the planner takes a table just filled for an empty one


# $2: the kind.
ENTITIES = Step(
    identify=(),
    change="""
    insert into entity_versions (kind, path, version, effective, definition)
    select n.kind, n.path, r.id, r.effective, n.definition
    from registry_versions r, new_entities n
    join (select distinct on (path) path, definition from entity_versions
          where kind = $2 order by path desc, version desc) v using (path)
    where r.id = $1 and n.kind = $2 and n.definition is distinct from v.definition
    """,
    end="""
    insert into entity_versions (kind, path, version, effective, definition)
    select v.kind, v.path, r.id, r.effective, null
    from registry_versions r,
         (select distinct on (path) kind, path, definition from entity_versions
          where kind = $2 order by path desc, version desc) v
    where r.id = $1 and v.definition is not null
    and not exists (select from new_entities n where n.kind = $2 and n.path = v.path)
    """,
    add="""
    insert into entity_versions (kind, path, version, effective, definition)
    select n.kind, n.path, r.id, r.effective, n.definition
    from registry_versions r, new_entities n
    where r.id = $1 and n.kind = $2
    and not exists (select from entity_versions v where v.kind = $2 and v.path = n.path)
    """,
    analyze="analyze entity_versions",
)

CHANNELS = Step(
    identify=(
        """
        insert into channels (id, enterprise, source, channel, basis) overriding system value
        select (select coalesce(max(id), 0) from channels) + row_number() over (order by n.ctid),
               n.enterprise, n.source, n.channel, n.basis
        from new_channels n
        where not exists (select from channels c
                          where (c.enterprise, c.source, c.channel, c.basis)
                              = (n.enterprise, n.source, n.channel, n.basis))
        """,
        "analyze channels",
        """
        create temp table staged_channels on commit drop as
        select c.id, n.* from new_channels n
        join channels c using (enterprise, source, channel, basis)
        """,
        "analyze staged_channels",
    ),
    change="""
    insert into channel_versions (channel, version, effective, parameter, uom, range_low,
        range_high, period_us, missing, stuck_after_us, max_step, basis, recipe,
        agreement)
    select n.id, r.id, r.effective, n.parameter, n.uom, n.range_low, n.range_high, n.period_us,
           n.missing, n.stuck_after_us, n.max_step, n.state, n.recipe, n.agreement
    from registry_versions r, staged_channels n
    join (select distinct on (channel) * from channel_versions
          order by channel desc, version desc) v on v.channel = n.id
    where r.id = $1
    and (v.ended or (n.parameter, n.uom, n.range_low, n.range_high, n.period_us, n.missing,
                     n.stuck_after_us, n.max_step, n.state, n.recipe, n.agreement)
         is distinct from (v.parameter, v.uom, v.range_low, v.range_high, v.period_us, v.missing,
                           v.stuck_after_us, v.max_step, v.basis, v.recipe,
                           v.agreement))
    """,
    end="""
    insert into channel_versions (channel, version, effective, ended, parameter, uom, range_low,
        range_high, period_us, missing, stuck_after_us, max_step, basis, recipe,
        agreement)
    select v.channel, r.id, r.effective, true, v.parameter, v.uom, v.range_low, v.range_high,
           v.period_us, v.missing, v.stuck_after_us, v.max_step, v.basis, v.recipe,
           v.agreement
    from registry_versions r,
         (select distinct on (channel) * from channel_versions
          order by channel desc, version desc) v
    where r.id = $1 and not v.ended
    and not exists (select from staged_channels n where n.id = v.channel)
    """,
    add="""
    insert into channel_versions (channel, version, effective, parameter, uom, range_low,
        range_high, period_us, missing, stuck_after_us, max_step, basis, recipe,
        agreement)
    select n.id, r.id, r.effective, n.parameter, n.uom, n.range_low, n.range_high, n.period_us,
           n.missing, n.stuck_after_us, n.max_step, n.state, n.recipe, n.agreement
    from registry_versions r, staged_channels n
    where r.id = $1 and not exists (select from channel_versions v where v.channel = n.id)
    """,
    analyze="analyze channel_versions",
)

UNITS = Step(
    identify=(
        """
        insert into units (id, enterprise, unit) overriding system value
        select (select coalesce(max(id), 0) from units) + row_number() over (order by n.ctid),
               n.enterprise, n.unit
        from new_units n
        where not exists (select from units u
                          where (u.enterprise, u.unit) = (n.enterprise, n.unit))
        """,
        "analyze units",
        """
        create temp table staged_units on commit drop as
        select u.id, coalesce(k.keys, '{}') as keys, coalesce(k.channels, '{}') as channels
        from new_units n join units u using (enterprise, unit)
        left join (select k.enterprise, k.unit, array_agg(k.key order by k.key collate "C") as keys,
                          array_agg(c.id order by k.key collate "C") as channels
                   from new_keys k
                   join staged_channels c using (enterprise, source, channel)
                   where c.basis = ''
                   group by k.enterprise, k.unit) k using (enterprise, unit)
        """,
        "analyze staged_units",
    ),
    change="""
    insert into unit_versions (unit, version, effective, keys, channels)
    select n.id, r.id, r.effective, n.keys, n.channels
    from registry_versions r, staged_units n
    join (select distinct on (unit) * from unit_versions
          order by unit desc, version desc) v on v.unit = n.id
    where r.id = $1
    and (v.ended or (n.keys, n.channels) is distinct from (v.keys, v.channels))
    """,
    end="""
    insert into unit_versions (unit, version, effective, ended, keys, channels)
    select v.unit, r.id, r.effective, true, v.keys, v.channels
    from registry_versions r,
         (select distinct on (unit) * from unit_versions order by unit desc, version desc) v
    where r.id = $1 and not v.ended
    and not exists (select from staged_units n where n.id = v.unit)
    """,
    add="""
    insert into unit_versions (unit, version, effective, keys, channels)
    select n.id, r.id, r.effective, n.keys, n.channels
    from registry_versions r, staged_units n
    where r.id = $1 and not exists (select from unit_versions v where v.unit = n.id)
    """,
    analyze="analyze unit_versions",
)

# A limit's first version applies from the start of its permit, whenever it is loaded; but one that
# takes the place of a limit on what was derived otherwise of the same channel (at another reference
# oxygen) is that limit changed. What is only recorded is of all times.
LIMITS = Step(
    identify=(
        """
        create temp table channel_limits on commit drop as
        select n.ctid as place, c.id as on_channel, n.* from new_limits n
        join staged_channels c using (enterprise, source, channel, basis)
        """,
        """
        insert into limits (id, permit, channel, average, window_us, condition)
            overriding system value
        select (select coalesce(max(id), 0) from limits) + row_number() over (order by n.place),
               n.permit, n.on_channel, n.average, n.window_us, n.condition
        from channel_limits n
        where not exists (select from limits l
                          where (l.permit, l.channel, l.average, l.condition)
                              = (n.permit, n.on_channel, n.average, n.condition))
        """,
        "analyze channel_limits, limits",
        """
        create temp table staged_limits on commit drop as
        select l.id, n.* from channel_limits n join limits l
        on l.permit = n.permit and l.channel = n.on_channel and l.average = n.average
        and l.condition = n.condition
        """,
        "analyze staged_limits",
    ),
    change="""
    insert into limit_versions ("limit", version, effective, valid_from, valid_until, value, uom,
        coverage, warn_at, clear_at, open_after_us, clear_after_us, rule)
    select n.id, r.id, r.effective, n.valid_from, n.valid_until, n.value, n.uom, n.coverage,
           n.warn_at, n.clear_at, n.open_after_us, n.clear_after_us, n.rule
    from registry_versions r, staged_limits n
    join (select distinct on ("limit") * from limit_versions
          order by "limit" desc, version desc) v on v."limit" = n.id
    where r.id = $1
    and (v.ended or (n.valid_from, n.valid_until, n.value, n.uom, n.coverage, n.warn_at,
                     n.clear_at, n.open_after_us, n.clear_after_us, n.rule)
         is distinct from (v.valid_from, v.valid_until, v.value, v.uom, v.coverage, v.warn_at,
                           v.clear_at, v.open_after_us, v.clear_after_us, v.rule))
    """,
    end="""
    insert into limit_versions ("limit", version, effective, ended, valid_from, valid_until, value,
        uom, coverage, warn_at, clear_at, open_after_us, clear_after_us, rule)
    select v."limit", r.id, r.effective, true, v.valid_from, v.valid_until, v.value, v.uom,
           v.coverage, v.warn_at, v.clear_at, v.open_after_us, v.clear_after_us, v.rule
    from registry_versions r,
         (select distinct on ("limit") * from limit_versions
          order by "limit" desc, version desc) v
    where r.id = $1 and not v.ended
    and not exists (select from staged_limits n where n.id = v."limit")
    """,
    add="""
    insert into limit_versions ("limit", version, effective, valid_from, valid_until, value, uom,
        coverage, warn_at, clear_at, open_after_us, clear_after_us, rule)
    select n.id, r.id, case when o.condition is null then n.valid_from else r.effective end,
           n.valid_from, n.valid_until, n.value, n.uom, n.coverage, n.warn_at, n.clear_at,
           n.open_after_us, n.clear_after_us, n.rule
    from registry_versions r, staged_limits n
    left join (select distinct l.permit, c.enterprise, c.source, c.channel, l.average, l.condition
               from limit_versions e join limits l on l.id = e."limit"
               join channels c on c.id = l.channel
               where e.version = $1 and e.ended and l.condition not in ('', 'record')) o
         using (permit, enterprise, source, channel, average, condition)
    where r.id = $1 and not exists (select from limit_versions v where v."limit" = n.id)
    """,
    analyze="analyze limit_versions",
)
