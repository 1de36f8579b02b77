-- Stretches of a channel that were found to be wrong afterwards (40 CFR 60 App. F proc. 1): what
-- they change are revisions, so that everything stays readable as it was.

set local search_path = ams, public;

-- done_until: of what is being done (invalidating or restoring), readings before it are done.
-- readings, restored: how many got a revision. batch: the last one written for it. restore: who
-- took it back, why and when ({"by", "reason", "at"}), null while it stands.
create table invalidations (
    id           bigint      primary key generated always as identity,
    channel      integer     not null references channels,
    start        timestamptz not null,
    finish       timestamptz not null,                 -- excluded
    status       smallint    not null,
    reason       text        not null,
    by           text        not null,
    requested_at timestamptz not null default clock_timestamp(),
    state        text        not null default 'waiting'
                 check (state in ('waiting', 'done', 'restoring', 'restored')),
    done_until   timestamptz not null,
    readings     bigint      not null default 0,
    restored     bigint      not null default 0,
    batch        bigint,
    restore      jsonb,
    check (start < finish)
);
create index on invalidations (id) where state in ('waiting', 'restoring');
create index on invalidations (channel, start);
create index on invalidations (start, id);

-- Which batches are no deliveries but invalidations or their restoring: the revisions of others
-- are what units said.
create table invalidation_batches (
    batch        bigint      primary key,
    invalidation bigint      not null references invalidations
);
