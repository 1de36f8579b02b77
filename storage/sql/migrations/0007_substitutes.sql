-- How many short-term averages of a period were filled, and by which method (40 CFR 75, MODC, in two
-- digits; 101: mean and two standard deviations): null for none. replaced: tonnes of a mass that rest
-- on substitutes; estimate: what the hours of which nothing is known would have made, beside it.

set local search_path = ams, public;

alter table compliance
    add replaced float8, add estimate float8,
    add filled_06 integer, add filled_07 integer, add filled_08 integer, add filled_09 integer,
    add filled_10 integer, add filled_11 integer, add filled_12 integer, add filled_101 integer;
alter table compliance_running
    add replaced float8, add estimate float8,
    add filled_06 integer, add filled_07 integer, add filled_08 integer, add filled_09 integer,
    add filled_10 integer, add filled_11 integer, add filled_12 integer, add filled_101 integer;

create function filled_methods(c compliance) returns jsonb language sql immutable as $$
    select nullif(jsonb_strip_nulls(jsonb_build_object(
        '06', c.filled_06, '07', c.filled_07, '08', c.filled_08, '09', c.filled_09,
        '10', c.filled_10, '11', c.filled_11, '12', c.filled_12,
        '101', c.filled_101)), '{}')
$$;
create function filled_methods(c compliance_running) returns jsonb language sql immutable as $$
    select nullif(jsonb_strip_nulls(jsonb_build_object(
        '06', c.filled_06, '07', c.filled_07, '08', c.filled_08, '09', c.filled_09,
        '10', c.filled_10, '11', c.filled_11, '12', c.filled_12,
        '101', c.filled_101)), '{}')
$$;

create or replace view current_compliance as
    select * from (select distinct on ("limit", finish) *
                   from compliance order by "limit", finish, revision desc) newest
    where state < 3;
