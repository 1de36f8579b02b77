-- The large time series as TimescaleDB hypertables.

set local search_path = ams, public;

create table readings (
    time    timestamptz not null,
    value   float8,
    batch   bigint      not null,
    channel integer     not null,
    status  smallint    not null,
    flags   smallint    not null,
    primary key (time, channel)
);
select create_hypertable('readings', by_range('time', interval '1 day'),
                         create_default_indexes => false);
-- No segment-by: a channel has too few samples in a chunk to fill segments of its own.
alter table readings set (timescaledb.enable_columnstore = true,
                          timescaledb.segmentby = '', timescaledb.orderby = 'channel, time');

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
);
select create_hypertable('blocks', by_range('start', interval '7 days'),
                         create_default_indexes => false);

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
);
select create_hypertable('judgements', by_range('start', interval '7 days'),
                         create_default_indexes => false);
