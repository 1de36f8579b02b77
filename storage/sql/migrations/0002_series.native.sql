-- The large time series as native range partitions (no TimescaleDB on this server).
-- Partitions are made ahead by the server; the default partition takes what none was made for.

set local search_path = ams, public;

create table readings (
    time    timestamptz not null,
    value   float8,
    batch   bigint      not null,
    channel integer     not null,
    status  smallint    not null,
    flags   smallint    not null,
    primary key (time, channel)
) partition by range (time);
create table readings_default partition of readings default;

create table blocks (
    start     timestamptz not null,
    finish    timestamptz not null,
    mean      float8,
    total     float8      not null,
    known_at  timestamptz not null,
    channel   integer     not null,
    window_s  integer     not null,
    count     integer     not null,
    samples   integer     not null,
    expected  integer     not null,
    revision  integer     not null,
    primary key (channel, window_s, start, revision)
) partition by range (start);
create table blocks_default partition of blocks default;

create table judgements (
    start         timestamptz not null,
    finish        timestamptz not null,
    mean          float8,
    known_at      timestamptz not null,
    "limit"       integer     not null,
    limit_version integer     not null,
    count         integer     not null,
    expected      integer     not null,
    state         smallint    not null,
    revision      integer     not null,
    primary key ("limit", start, revision)
) partition by range (start);
create table judgements_default partition of judgements default;
