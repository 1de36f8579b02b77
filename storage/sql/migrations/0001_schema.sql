-- Everything the server keeps, but for the three large time series (0002).

create schema if not exists ams;
set local search_path = ams, public;

-- One row: names this installation, so that its MQTT session is its own.
create table installation (
    id         uuid        not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    readings_from timestamptz,     -- raw readings before this were dropped by retention
    only_one   boolean     primary key default true check (only_one)
);
insert into installation default values;

-- ---------------------------------------------------------------- registry

-- One row for each applied registry. What it says stands in the *_versions tables: a row only
-- where something differs from the version before. effective: applies to windows that end later.
create table registry_versions (
    id         integer     primary key generated always as identity,
    applied_at timestamptz not null default now(),
    effective  timestamptz not null,
    source     text        not null,
    digest     bytea       not null
);

-- Enterprises, sources, permits, recipients and rule sets; path is 'gres1', 'gres1/stack-1', the
-- permit's number, the recipient's or rule set's id. definition is the registry's own entry, null when it ended.
create table entity_versions (
    kind       text        not null check (kind in ('enterprise', 'source', 'permit', 'recipient',
                                                'rule_set')),
    path       text        not null,
    version    integer     not null references registry_versions,
    effective  timestamptz not null,
    definition jsonb,
    primary key (kind, path, version)
);

-- Stable integer ids: a channel, unit or limit keeps its number for ever. basis is '' for what is
-- measured; what is derived from it (at reference oxygen, as a mass flow) is a channel beside it,
-- of the same name, whose basis says what it is.
create table channels (
    id         integer primary key generated always as identity,
    enterprise text not null,
    source     text not null,
    channel    text not null,
    basis      text not null default '',
    unique (enterprise, source, channel, basis)
);

create table channel_versions (
    channel       integer     not null references channels,
    version       integer     not null references registry_versions,
    effective     timestamptz not null,
    ended         boolean     not null default false,
    parameter     text        not null,
    uom           text        not null,
    range_low     float8      not null default '-Infinity',
    range_high    float8      not null default 'Infinity',
    period_us     bigint      not null,
    missing       float8[]    not null default '{}',
    stuck_after_us bigint     not null default 0,      -- 0: never checked
    max_step      float8      not null default 'Infinity',
    basis         jsonb,                               -- state of the gas: dry, at so much oxygen
    recipe        jsonb,                               -- how it is derived; null: measured
    primary key (channel, version)
);

create table units (
    id         integer primary key generated always as identity,
    enterprise text not null,
    unit       text not null,
    unique (enterprise, unit)
);

-- Which channel a unit's payload key means; keys and channels are parallel arrays.
create table unit_versions (
    unit       integer     not null references units,
    version    integer     not null references registry_versions,
    effective  timestamptz not null,
    ended      boolean     not null default false,
    keys       text[]      not null,
    channels   integer[]   not null,
    primary key (unit, version)
);

-- condition: which of its rule set's conditions a row judges, '' for a limit without a rule set.
create table limits (
    id         integer primary key generated always as identity,
    permit     text    not null,
    channel    integer not null references channels,
    average    text    not null,                       -- as the registry writes it: 20min, 1h, 1d
    window_us  bigint  not null,
    condition  text    not null default '',
    unique (permit, channel, average, condition)
);
create index on limits (channel);

create table limit_versions (
    "limit"        integer     not null references limits,
    version        integer     not null references registry_versions,
    effective      timestamptz not null,
    ended          boolean     not null default false,
    valid_from     timestamptz not null,
    valid_until    timestamptz not null,               -- excluded: the midnight after the last day
    value          float8      not null,
    uom            text        not null,
    coverage       text        not null,               -- a fraction or decimal, compared exactly
    warn_at        text        not null,
    clear_at       text        not null,
    open_after_us  bigint      not null,
    clear_after_us bigint      not null,
    rule           jsonb,                              -- the condition, resolved; null without
    primary key ("limit", version)
);

-- ---------------------------------------------------------------- receipt

-- One row for each committed transaction of readings. Arrays are parallel: the first group has an
-- entry for each unit (0: no known unit), the second for each run of sequence numbers, the third
-- for each channel.
create table batches (
    id                   bigint      primary key,
    received_at          timestamptz not null,
    oldest               timestamptz,                  -- of the readings stored or revised
    units                integer[]   not null,
    messages_stored      integer[]   not null,
    messages_duplicate   integer[]   not null,
    messages_quarantined integer[]   not null,
    readings_stored      integer[]   not null,
    readings_duplicate   integer[]   not null,
    readings_revised     integer[]   not null,
    readings_quarantined integer[]   not null,
    boots                integer[]   not null,
    seq_first            bigint[]    not null,
    seq_last             bigint[]    not null,
    channels             integer[]   not null,
    newest               timestamptz[] not null
);
create index on batches (received_at);

-- Starts of a unit and the sequence numbers received of each.
create table boots (
    id       integer     primary key generated always as identity,
    unit     integer     not null references units,
    boot     text        not null,
    first_at timestamptz not null,
    last_at  timestamptz not null,
    received int8multirange not null default '{}',
    unique (unit, boot)
) with (fillfactor = 70);                              -- updated often, no index with it

-- What a unit says of itself on its status topic.
create table unit_states (
    unit     integer     primary key references units,
    state    text        not null check (state in ('online', 'offline')),
    boot     text,
    firmware text,
    at       timestamptz not null
);

-- Deliveries by UTC hour of receipt, rolled up from batches; unit 0: no known unit.
create table ledger (
    hour                 timestamptz not null,
    unit                 integer     not null,
    messages_stored      bigint      not null default 0,
    messages_duplicate   bigint      not null default 0,
    messages_quarantined bigint      not null default 0,
    readings_stored      bigint      not null default 0,
    readings_duplicate   bigint      not null default 0,
    readings_revised     bigint      not null default 0,
    readings_quarantined bigint      not null default 0,
    primary key (hour, unit)
) with (fillfactor = 70);

-- How far each follower has come: every batch up to this one is done ('registry': every registry
-- version up to this one has been judged; 'slim': see storage/followers.py).
create table progress (
    follower text   primary key
             check (follower in ('ledger', 'newest', 'alerts', 'blocks', 'registry', 'slim',
                                 'compliance')),
    batch    bigint not null default 0
);
insert into progress values
    ('ledger', 0), ('newest', 0), ('alerts', 0), ('blocks', 0), ('registry', 0), ('slim', 0),
    ('compliance', 0);

-- The newest reading of each channel as of progress 'newest', 1,000 channels a row: channel c is
-- element c % 1000 (counted from 0) of shard c / 1000, in microseconds since 1970, 0 for none.
create table newest (
    shard  integer  primary key,
    times  bigint[] not null
);

-- Days before the current ones that were written to, so that retention counts from receipt too.
create table late_days (
    day              date        primary key,
    last_received_at timestamptz not null
);

-- ---------------------------------------------------------------- quarantine

-- key is null: a message set aside whole (count: its deliveries). Else: the values of one unit,
-- reason and key (count: its values, each a row of quarantine_values).
create table quarantine (
    id         bigint      primary key generated always as identity,
    topic      text        not null,
    enterprise text,
    unit       text,
    unit_id    integer     not null default 0,
    key        text,
    reason     text        not null,
    detail     text        not null,
    count      bigint      not null default 1,
    first_at   timestamptz not null,
    last_at    timestamptz not null,
    state      text        not null default 'waiting'
               check (state in ('waiting', 'retrying', 'stored')),
    payload    bytea       not null,
    digest     bytea       not null,                   -- of topic and payload
    batch      bigint      not null                    -- that set it aside first
);
create unique index on quarantine (digest) where key is null;
create unique index on quarantine (unit_id, reason, key) where key is not null;
create index on quarantine (id) where state = 'retrying';
create index on quarantine (last_at, id);

-- payload is the value alone, as a message of one sample: what a retry processes again. message:
-- its row in the batch while that message counts as quarantined, so that a retry can move it.
create table quarantine_values (
    item        bigint      not null references quarantine,
    digest      bytea       not null,
    payload     bytea       not null,
    received_at timestamptz not null,
    stored      boolean     not null default false,
    retry       boolean     not null default false,
    batch       bigint      not null,
    message     integer,
    primary key (item, digest)
);
create index on quarantine_values (item, digest) where retry;
create index on quarantine_values (batch, message) where message is not null;

-- ---------------------------------------------------------------- alerts and notices

-- kind: 'limit' is the engine's, from rolling means; 'forecast' tells of a breach to come,
-- 'disagreement' of means that an operator reported otherwise (of a channel, with or without limit).
create table alerts (
    id            uuid        primary key,
    kind          text        not null default 'limit'
                  check (kind in ('limit', 'forecast', 'disagreement')),
    "limit"       integer     references limits,
    limit_version integer,
    channel       integer     references channels,
    average       text,
    state         text        not null check (state in ('pending', 'open', 'resolved', 'withdrawn')),
    severity      text        not null check (severity in ('warning', 'exceedance')),
    worst         text        not null check (worst in ('warning', 'exceedance')),
    opened_at     timestamptz not null,
    resolved_at   timestamptz,
    peak          float8      not null,
    peak_at       timestamptz not null,
    value         float8      not null,
    changed_at    timestamptz not null,                -- event time of the last change of state
    silent_since  timestamptz,
    late          boolean     not null default false,
    acknowledged  jsonb,
    replaced_by   uuid references alerts,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);
create index on alerts (opened_at, id);
create index on alerts ("limit", opened_at);
create index on alerts (state, severity) where state in ('pending', 'open');

-- at: the instant of event time; evidence: the window that the transition rests on.
create table alert_history (
    id          bigint      primary key generated always as identity,
    alert       uuid        not null references alerts,
    at          timestamptz not null,
    recorded_at timestamptz not null default now(),
    change      text        not null,
    state       text        not null,
    severity    text        not null,
    value       float8,
    evidence    jsonb
);
create index on alert_history (alert, id);

create table notices (
    number          bigint      primary key generated always as identity,
    id              uuid        not null unique,
    alert           uuid        not null references alerts,
    recipient       text        not null,
    type            text        not null,
    body            bytea       not null,              -- the very bytes that are signed and sent
    created_at      timestamptz not null default now(),
    state           text        not null default 'waiting'
                    check (state in ('waiting', 'delivered', 'expired')),
    attempts        integer     not null default 0,
    last_attempt_at timestamptz,
    last_outcome    text
);
create index on notices (recipient, alert, number) where state = 'waiting';
create index on notices (recipient, number) where state = 'waiting';
create index on notices (created_at, id);

-- ---------------------------------------------------------------- names of the codes

create function status_name(code smallint) returns text
    language sql immutable parallel safe return
    (array['valid', 'calibration', 'maintenance', 'malfunction', 'out_of_range',
           'start_up', 'shut_down', 'stopped', 'substituted'])[code + 1];

create function flag_names(mask smallint) returns text[]
    language sql immutable parallel safe return array(
        select name from unnest(array['range', 'negative', 'stuck', 'jump', 'late', 'clock',
                                      'revised', 'gap_before'])
                         with ordinality as flag(name, bit)
        where mask & (1 << (bit::int - 1)) <> 0 order by bit);

create function judgement_name(code smallint) returns text
    language sql immutable parallel safe return
    (array['compliant', 'exceeded', 'not_assessable'])[code + 1];
