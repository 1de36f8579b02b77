-- Block means that units report themselves, beside ours, and what is compared of the two.

set local search_path = ams, public;

-- A value is never changed: another one for the same block is a revision beside it, current is the
-- last received. known_at: its receipt, or when it was taken out of quarantine.
create table reported_averages (
    start    timestamptz not null,
    finish   timestamptz not null,
    known_at timestamptz not null,
    value    float8,
    channel  integer     not null,
    window_s integer     not null,
    unit     integer     not null references units,
    revision integer     not null,
    status   smallint    not null,
    primary key (channel, window_s, start, revision)
);
create index on reported_averages (start, channel, window_s, revision);

-- Starts of a unit and the sequence numbers received of each, by which a message is known again.
create table reported_boots (
    unit     integer     not null references units,
    boot     text        not null,
    received int8multirange not null,
    last_at  timestamptz not null,
    primary key (unit, boot)
) with (fillfactor = 70);

-- Reported means that are to be compared with ours: since they are new, or ours has changed. Those
-- whose block we do not have yet wait here for it.
create table reported_due (
    channel  integer     not null,
    window_s integer     not null,
    start    timestamptz not null,
    primary key (channel, window_s, start)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create view current_reported as
    select distinct on (channel, window_s, start) *
    from reported_averages order by channel, window_s, start, revision desc;

create view reported_named as
    select r.start, r.finish, c.enterprise, c.source, c.channel, u.unit, r.window_s, r.value,
           status_name(r.status) as status, r.revision, r.known_at, b.mean as ours, b.count,
           b.expected, r.value - b.mean as difference
    from current_reported r
    join channels c on c.id = r.channel join units u on u.id = r.unit
    left join lateral (
        select mean, count, expected from blocks
        where channel = r.channel and window_s = r.window_s and start = r.start
        order by revision desc limit 1) b on true;

-- agreement: the share of our mean by which a reported one may differ from it.
alter table channel_versions add column agreement float8 not null default 0.05;

-- Values set aside of another topic are other items.
alter table quarantine add column kind text not null default 'readings'
    check (kind in ('readings', 'averages'));
drop index quarantine_unit_id_reason_key_idx;
create unique index on quarantine (unit_id, reason, key, kind) where key is not null;

create index on alerts (channel, average, opened_at) where kind = 'disagreement';
create index on alerts (kind, state) where kind <> 'limit' and state in ('pending', 'open');
