-- What the conditions of rule sets were judged to be over days, months, years and the like.

set local search_path = ams, public;

-- One row for each revision of what a condition (a row of limits) was judged to be over a period.
-- A period is known by its end: of rolling ones over so many operating days late data move the
-- start. state: as judgements.state, of alternatives what they are together; 3: late data or
-- another registry left no such period. alone: the condition by itself. A period that is not
-- over has a row too, and a new revision where its state changes: its figures are then those of
-- that moment, the present ones are in compliance_running.
create table compliance (
    start         timestamptz not null,
    finish        timestamptz not null,
    known_at      timestamptz not null,
    value         float8,
    raw           float8,                              -- before the uncertainty was subtracted
    complete      float8,                              -- share of the period with valid data
    "limit"       integer     not null references limits,
    limit_version integer     not null,
    revision      integer     not null,
    valid         integer     not null,                -- parts: short-term averages, days, hours
    expected      integer     not null,
    exceeding     integer     not null,                -- -1: the condition counts nothing
    allowed       integer     not null,                -- -1: the same
    substituted   integer     not null,
    state         smallint    not null,
    alone         smallint    not null,
    over          boolean     not null,
    primary key ("limit", finish, revision)
);
create index on compliance (start, "limit", finish);

create view current_compliance as
    select * from (select distinct on ("limit", finish) *
                   from compliance order by "limit", finish, revision desc) newest
    where state < 3;

-- The period of each condition that is not over, as of "until": figures move on in place. rest:
-- what the remaining short-term averages may average, below zero where that cannot help any more;
-- forecast: what the period will come to at the present rate, breaks_at: when that breaks it.
create table compliance_running (
    "limit"       integer     primary key references limits,
    start         timestamptz not null,
    finish        timestamptz not null,
    until         timestamptz not null,
    known_at      timestamptz not null,
    breaks_at     timestamptz,
    value         float8,
    raw           float8,
    complete      float8,
    rest          float8,
    forecast      float8,
    threshold     float8,                              -- what the forecast is compared with
    limit_version integer     not null,
    valid         integer     not null,
    expected      integer     not null,
    exceeding     integer     not null,
    allowed       integer     not null,
    substituted   integer     not null,
    state         smallint    not null,
    alone         smallint    not null
) with (fillfactor = 60);
create index on compliance_running (finish);

-- Figures of the days of a running period that are over (those that begin before "upto"), so that
-- the period need not be read from its beginning each hour. Made of blocks and nothing else: what is
-- deleted here is made again. kind: the rule and zone that they hold for; figures: float8, one
-- after the other.
create table compliance_carried (
    "limit" integer     primary key references limits,
    start   timestamptz not null,
    upto    timestamptz not null,
    kind    bigint      not null,
    figures bytea       not null
) with (fillfactor = 60);
alter table compliance_carried alter figures set storage external; -- compressing costs more

-- Blocks of watched channels that changed since they were judged by: written with the blocks
-- themselves, removed with what was judged by them.
create table compliance_due (
    id      bigint      primary key generated always as identity,
    channel integer     not null,
    first   timestamptz not null,                      -- the first and the last changed block
    last    timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Where the data of a channel that is judged begin: with the short-term average of the first
-- reading that was ever taken of it, valid or not.
create table compliance_begun (
    channel integer     primary key references channels,
    since   timestamptz not null
);

create view compliance_named as
    select j.start, j.finish, c.enterprise, c.source, c.channel, l.permit,
           v.rule ->> 'rules' as rules, l.condition, l.average as window, j.value,
           (v.rule ->> 'limit')::float8 as limit_value, v.rule ->> 'factor' as factor, v.uom,
           judgement_name(j.state) as state, j.valid, j.expected,
           nullif(j.exceeding, -1) as exceeding, nullif(j.allowed, -1) as allowed,
           j.substituted, j.complete, j.over, j.limit_version, j.revision
    from current_compliance j
    join limits l on l.id = j."limit" join channels c on c.id = l.channel
    join limit_versions v on v."limit" = j."limit" and v.version = j.limit_version;
