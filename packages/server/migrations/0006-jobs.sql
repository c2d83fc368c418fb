-- The one way to put work on the queue: inside the business transaction, for the tenant of its signed context.
-- The caller cannot name another organization, and only the tasks of this list exist.
create function redoubt.enqueue(task text, payload jsonb, run_at timestamptz default null, job_key text default null) returns void
language plpgsql security definer set search_path = pg_catalog as $$
begin
  if redoubt.organization() is null then
    raise exception 'no tenant to enqueue for' using errcode = '42501';
  end if;
  if task not in ('alerts.enrich', 'cases.check-response', 'runs.push', 'runs.check', 'runners.revoked') then
    raise exception 'unknown task %', task using errcode = '42501';
  end if;
  perform graphile_worker.add_job(task, (payload || jsonb_build_object('organizationId', redoubt.organization()))::json,
    run_at => run_at, max_attempts => 12,
    job_key => case when job_key is not null then redoubt.organization()::text || ':' || job_key end);
end $$;
