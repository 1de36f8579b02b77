"""What the server asks of the registry's versions when it loads them.

In force at the time $1 is the highest version that is effective by then: a version applied later
decides from its own effective time on, whatever was announced before.
"""

from __future__ import annotations

from storage.registry_table import Query

VERSION = """
select coalesce(max(id), 0) as version,
       min(effective) filter (where effective > $1) as changes_at
from registry_versions
"""

RECIPIENTS = """
select definition
from (select distinct on (path) path, definition from entity_versions
      where kind = 'recipient' and effective <= $1
      order by path, version desc) recipient
where definition is not null order by path
"""

ZONES = """
select path, zone
from (select distinct on (path) path, definition ->> 'reporting_zone' as zone
      from entity_versions where kind = 'enterprise' and effective <= $1
      order by path, version desc) enterprise
where zone is not null order by path
"""

# Channels that are not in force have a row too: arrays are as long as the highest number.
# $2 and $3: enterprises, and the zones that they name, by index.
CHANNELS = Query(
    """
    select c.id, v.channel is not null and not v.ended, coalesce(v.period_us, 60000000),
           coalesce(v.range_low, '-Infinity'), coalesce(v.range_high, 'Infinity'),
           coalesce(v.parameter in ('temperature', 'pressure'), false), coalesce(z.zone, 0)
    from channels c
    left join (select distinct on (channel) * from channel_versions
               where effective <= $1 order by channel desc, version desc) v on v.channel = c.id
    left join unnest($2::text[], $3::int[]) as z (enterprise, zone) using (enterprise)
    """,
    (
        ("id", "i4"), ("active", "?"), ("period", "i8"), ("range_low", "f8"),
        ("range_high", "f8"), ("signed", "?"), ("zone", "i4"),
    ),
)  # fmt: skip

MISSING = Query(
    """
    select v.channel, m.place::int, m.value
    from (select distinct on (channel) channel, ended, missing from channel_versions
          where effective <= $1 order by channel desc, version desc) v,
         unnest(v.missing) with ordinality as m (value, place)
    where not v.ended
    """,
    (("id", "i4"), ("place", "i4"), ("value", "f8")),
)

UNITS = """
select u.id, u.enterprise, u.unit, v.keys, v.channels
from (select distinct on (unit) * from unit_versions
      where effective <= $1 order by unit, version desc) v
join units u on u.id = v.unit
where not v.ended order by u.id
"""

SHARES = """
select coverage as share from limit_versions union select warn_at from limit_versions
union select clear_at from limit_versions order by share
"""

# $1: the texts of SHARES, to which the numbers of shares refer, from 0. Of the conditions of rule
# sets those whose rolling means are followed, or whose blocks are only kept.
LIMITS = Query(
    """
    select v."limit", v.version, l.channel, l.window_us, v.ended, v.effective, v.valid_from,
           v.valid_until, v.value, array_position($1::text[], v.coverage) - 1,
           array_position($1::text[], v.warn_at) - 1, array_position($1::text[], v.clear_at) - 1,
           v.open_after_us, v.clear_after_us, v.rule is null
    from limit_versions v join limits l on l.id = v."limit"
    where l.window_us <= 86400000000
      and (v.rule is null or v.rule ? 'record' or (v.rule ->> 'alert')::bool)
    """,
    (
        ("limit", "i4"), ("version", "i4"), ("channel", "i4"), ("window", "i8"), ("ended", "?"),
        ("effective", "time"), ("valid_from", "time"), ("valid_until", "time"), ("value", "f8"),
        ("coverage", "i4"), ("warn_at", "i4"), ("clear_at", "i4"), ("open_after", "i8"),
        ("clear_after", "i8"), ("legal", "?"),
    ),
)  # fmt: skip

# How derived channels are, were and will be computed, each way once: thousands of stacks have the
# same.
RECIPES = "select distinct recipe::text as recipe from channel_versions where recipe is not null"

# $1: the texts of RECIPES, to which their numbers refer, from 0.
RECIPE_VERSIONS = Query(
    """
    select channel, version, ended, effective, array_position($1::text[], recipe::text) - 1
    from channel_versions where recipe is not null
    """,
    (("channel", "i4"), ("version", "i4"), ("ended", "?"), ("effective", "time"), ("recipe", "i4")),
)

# Derived channels and their members by each of their recipes. $1: the texts of RECIPES; $2 to $5:
# the number of each member's recipe, its place there, its channel and basis.
MEMBERS = Query(
    """
    with derived as (
        select distinct c.id, c.enterprise, c.source,
               array_position($1::text[], v.recipe::text) - 1 as recipe
        from channel_versions v join channels c on c.id = v.channel
        where v.recipe is not null)
    select d.id, d.recipe, m.place, c.id
    from derived d
    join unnest($2::int[], $3::int[], $4::text[], $5::text[]) as m (recipe, place, channel, basis)
         on m.recipe = d.recipe
    join channels c on (c.enterprise, c.source, c.channel, c.basis)
                     = (d.enterprise, d.source, m.channel, m.basis)
    """,
    (("id", "i4"), ("recipe", "i4"), ("place", "i4"), ("member", "i4")),
)
