-- What is current and what was known at a time. Base readings are never changed: a revision is a
-- row beside them.

set local search_path = ams, public;

create table revisions (
    time     timestamptz not null,
    value    float8,
    batch    bigint      not null,
    channel  integer     not null,
    status   smallint    not null,
    flags    smallint    not null,
    revision integer     not null check (revision > 0),
    primary key (channel, time, revision)
);

create view current_readings as
    select r.time, r.channel, r.value, r.status, r.flags, r.batch, 0 as revision
    from readings r
    where not exists (select from revisions v where v.channel = r.channel and v.time = r.time)
    union all
    (select distinct on (channel, time) time, channel, value, status, flags, batch, revision
     from revisions order by channel, time, revision desc);

create view all_readings as
    select time, channel, value, status, flags, batch, 0 as revision from readings
    union all
    select time, channel, value, status, flags, batch, revision from revisions;

-- The readings as they stood when the last batch received by `at` had been committed. Numbers rise
-- with the time of receipt but for neighbours, so the last thousand by time hold the highest.
create function readings_as_known_at(at timestamptz)
    returns setof current_readings
    language sql stable parallel safe
    begin atomic
        select distinct on (a.channel, a.time)
               a.time, a.channel, a.value, a.status, a.flags, a.batch, a.revision
        from all_readings a
        where a.batch <= (select coalesce(max(id), 0) from (
            select id from batches where received_at <= readings_as_known_at.at
            order by received_at desc limit 1000) known)
        order by a.channel, a.time, a.revision desc;
    end;

create view current_blocks as
    select distinct on (channel, window_s, start) *
    from blocks order by channel, window_s, start, revision desc;

create view current_judgements as
    select distinct on ("limit", start) *
    from judgements order by "limit", start, revision desc;

-- For people and Grafana: the same with names instead of numbers.
create view readings_named as
    select r.time, c.enterprise, c.source, c.channel, r.value, status_name(r.status) as status,
           flag_names(r.flags) as flags, r.revision
    from current_readings r join channels c on c.id = r.channel;

create view averages_named as
    select b.start, b.finish, c.enterprise, c.source, c.channel, b.window_s, b.mean, b.count,
           b.expected, b.revision
    from current_blocks b join channels c on c.id = b.channel;

create view judgements_named as
    select j.start, j.finish, c.enterprise, c.source, c.channel, l.permit, l.average as window,
           v.value as limit_value, v.uom, j.mean, j.count, j.expected,
           judgement_name(j.state) as state, j.limit_version, j.revision
    from current_judgements j
    join limits l on l.id = j."limit" join channels c on c.id = l.channel
    join limit_versions v on v."limit" = j."limit" and v.version = j.limit_version;

create view alerts_named as
    select a.id, a.kind, c.enterprise, c.source, c.channel, l.permit,
           coalesce(a.average, l.average) as window, v.value as limit_value, v.uom, a.state,
           a.severity, a.worst, a.opened_at, a.resolved_at, a.peak, a.peak_at, a.value,
           a.silent_since, a.late, a.acknowledged, a.replaced_by
    from alerts a
    left join limits l on l.id = a."limit" join channels c on c.id = coalesce(a.channel, l.channel)
    left join limit_versions v on v."limit" = a."limit" and v.version = a.limit_version;
