-- The one way to put work on the queue: inside the business transaction, for the tenant of its signed context.
-- The caller cannot name another organization, and only the tasks of this list exist. Services that take jobs must be able
-- to write the queue's tables, so a job also carries a MAC by a key of the service that takes it: a job planted or altered
-- by SQL injected there names no tenant. The key is derived, so that no MAC of a job passes for one of a context.
--
-- How often a task is tried in all. The queue waits e^n seconds after the n-th failure, six hours at most: six attempts
-- take four minutes, twelve sixteen hours, twenty-five four days.
create function redoubt.enqueue(task text, payload jsonb, run_at timestamptz default null, job_key text default null) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
  taker name := case task
    when 'alerts.enrich' then 'redoubt_worker'
    when 'cases.check-response' then 'redoubt_worker'
    when 'keys.rotate-data' then 'redoubt_worker'
    when 'keys.reencrypt' then 'redoubt_worker'
    when 'keys.rewrap' then 'redoubt_worker'
    when 'runs.push' then 'redoubt_workflow'
    when 'runs.check' then 'redoubt_workflow'
    when 'runners.revoked' then 'redoubt_workflow'
  end;
  attempts int := case task
    -- The five minutes of one plan: nobody expects that a response which could not begin begins at night.
    when 'runs.push' then 6
    -- What a revoked runner had in hand must end, whatever happens in between.
    when 'runners.revoked' then 25
    else 12
  end;
  body text := task || '|' || (payload || jsonb_build_object('organizationId', redoubt.organization()));
  key bytea := redoubt.hmac('redoubt.job', (select k.key from redoubt.context_keys k where k.role = taker), 'sha256');
begin
  if redoubt.organization() is null then
    raise exception 'no tenant to enqueue for' using errcode = '42501';
  end if;
  if taker is null then
    raise exception 'unknown task %', task using errcode = '42501';
  end if;
  perform graphile_worker.add_job(task,
    json_build_object('body', body, 'mac', encode(redoubt.hmac(convert_to(body, 'UTF8'), key, 'sha256'), 'hex')),
    run_at => run_at, max_attempts => attempts,
    job_key => case when job_key is not null then redoubt.organization()::text || ':' || job_key end);
end $$;
