-- What each service's role may do (SVC-2); applied at every start, after the migrations. Everything else is refused.
revoke all on schema public from public;
revoke all on all tables in schema redoubt from public;
revoke all on all routines in schema redoubt from public;
-- A role that may make temporary tables could shadow a table for the next tenant on the same connection.
do $$ begin execute format('revoke temporary, create on database %I from public', current_database()); end $$;

grant usage on schema redoubt to redoubt_web, redoubt_api, redoubt_ingestion, redoubt_worker, redoubt_workflow, redoubt_misp,
  redoubt_search, redoubt_keeper;
grant execute on function redoubt.context_part(int), redoubt.organization(), redoubt.person(), redoubt.role(), redoubt.reason(),
  redoubt.enqueue(text, jsonb, timestamptz, text)
  to redoubt_web, redoubt_api, redoubt_ingestion, redoubt_worker, redoubt_workflow, redoubt_misp, redoubt_search, redoubt_keeper;
grant execute on function redoubt.sees_case(uuid), redoubt.restrict_alert(), redoubt.restrict_alerts_of_case(), redoubt.refuse_change()
  to redoubt_web, redoubt_api, redoubt_ingestion, redoubt_worker, redoubt_workflow;

-- Operations, the same on both transports.
grant execute on function redoubt.provides_for(uuid), redoubt.is_operator() to redoubt_web, redoubt_api;
grant select, insert on redoubt.organizations to redoubt_web, redoubt_api;
grant select, insert on redoubt.users to redoubt_web, redoubt_api;
grant select, insert on redoubt.credentials to redoubt_web, redoubt_api;
grant select, insert, update (role), delete on redoubt.memberships to redoubt_web, redoubt_api;
grant select, insert, update (accepted_at, revoked_at) on redoubt.invitations to redoubt_web, redoubt_api;
grant select, insert, update (last_seen_at, revoked_at, revoked_because) on redoubt.sessions to redoubt_web, redoubt_api;
grant select, insert, update (used_at) on redoubt.refresh_tokens to redoubt_web, redoubt_api;
grant select, insert, update (token_hash, expires_at, used_at, operator_organization_id) on redoubt.set_up to redoubt_web, redoubt_api;
grant select, insert, update, delete on redoubt.sources to redoubt_web, redoubt_api;
grant select, update on redoubt.alerts to redoubt_web, redoubt_api;
grant select on redoubt.alert_observables to redoubt_web, redoubt_api;
grant select, insert, update on redoubt.counters, redoubt.cases to redoubt_web, redoubt_api;
grant select, insert, delete on redoubt.case_recipients to redoubt_web, redoubt_api;
grant select, insert, update (case_id) on redoubt.case_timeline to redoubt_web, redoubt_api;
grant select, insert, update on redoubt.case_tasks to redoubt_web, redoubt_api;
grant select, insert, update, delete on redoubt.case_observables to redoubt_web, redoubt_api;
grant select, insert, update on redoubt.playbooks to redoubt_web, redoubt_api;
grant select, insert on redoubt.playbook_versions to redoubt_web, redoubt_api;
grant select, insert, update on redoubt.runs to redoubt_web, redoubt_api;
grant select on redoubt.plans to redoubt_web, redoubt_api;
grant select, insert on redoubt.approvals to redoubt_web, redoubt_api;
grant select, insert, update on redoubt.runners, redoubt.runner_enrolments to redoubt_web, redoubt_api;
grant select, insert on redoubt.audit_events to redoubt_web, redoubt_api;
grant select on redoubt.audit_log, redoubt.audit_nodes, redoubt.audit_checkpoints to redoubt_web, redoubt_api;

-- Wrapped data keys: whoever seals a first value of an organization makes its first key; the worker rotates and rewraps.
grant select, insert on redoubt.data_keys to redoubt_web, redoubt_api, redoubt_worker;
grant update (uses) on redoubt.data_keys to redoubt_web, redoubt_api, redoubt_worker;
grant update (kek, wrapped, ends_at), delete on redoubt.data_keys to redoubt_worker;
grant select (kek) on redoubt.data_keys to redoubt_keeper;
grant select on redoubt.key_jobs to redoubt_web, redoubt_api;
grant select, insert, update (version, done, total, damaged, state, ended_at) on redoubt.key_jobs to redoubt_worker;
-- To seal anew what a rotated key sealed: the sealed columns, and nothing else of these people.
grant select (id, email_sealed, email_index), update (email_sealed, email_index) on redoubt.users to redoubt_worker;
grant select (id, ip_sealed), update (ip_sealed) on redoubt.sessions to redoubt_worker;
grant select (organization_id, id, email_sealed, email_index), update (email_sealed, email_index) on redoubt.invitations to redoubt_worker;
grant update (webhook_secret) on redoubt.sources to redoubt_worker;
grant select (operator_organization_id) on redoubt.set_up to redoubt_worker;
grant select on redoubt.data_keys to redoubt_ingestion;

-- The keeper remembers nonces, and writes down whom it refused.
grant select, insert, delete on redoubt.service_nonces to redoubt_keeper;
grant select (operator_organization_id) on redoubt.set_up to redoubt_keeper;
grant insert on redoubt.audit_events to redoubt_keeper;

-- Ingestion writes alerts and answers retries; it reads no case, no person, no audit log.
grant select, update (last_event_at) on redoubt.sources to redoubt_ingestion;
grant select, insert, update (severity, count, last_seen_at, due_at, latest_raw) on redoubt.alerts to redoubt_ingestion;
grant select, insert, update (receipt, at) on redoubt.ingest_receipts to redoubt_ingestion;
grant select (organization_id, case_id, user_id) on redoubt.case_recipients to redoubt_ingestion;
grant insert on redoubt.audit_events to redoubt_ingestion;

-- The worker enriches and correlates, and gives audit events their place.
grant select (id, slug, name) on redoubt.organizations to redoubt_worker;
grant select on redoubt.sources to redoubt_worker;
-- Alerts of the platform itself, and the source they are from; it can give no source a token.
grant insert (organization_id, id, name, slug, type, tlp, created_at, last_event_at) on redoubt.sources to redoubt_worker;
grant select (operator_organization_id) on redoubt.set_up to redoubt_worker;
grant select, insert, update on redoubt.alerts to redoubt_worker;
grant select, insert on redoubt.alert_observables to redoubt_worker;
grant select, insert, update on redoubt.counters, redoubt.cases to redoubt_worker;
grant select on redoubt.case_recipients to redoubt_worker;
grant select, insert on redoubt.case_timeline to redoubt_worker;
grant select, insert, update on redoubt.case_observables to redoubt_worker;
grant select, insert on redoubt.audit_events, redoubt.audit_log, redoubt.audit_nodes, redoubt.audit_checkpoints to redoubt_worker;
grant select, delete on redoubt.audit_unsealed to redoubt_worker;
grant select, delete on redoubt.ingest_receipts to redoubt_worker;

-- The workflow-processor signs plans and pushes them.
grant select (id, slug, name) on redoubt.organizations to redoubt_workflow;
grant select on redoubt.playbooks, redoubt.playbook_versions, redoubt.runners, redoubt.approvals to redoubt_workflow;
grant select, update on redoubt.runs to redoubt_workflow;
grant select, insert, update (accepted_at) on redoubt.plans to redoubt_workflow;
grant select on redoubt.cases, redoubt.case_recipients, redoubt.case_observables to redoubt_workflow;
grant select, insert on redoubt.case_timeline to redoubt_workflow;
grant insert on redoubt.audit_events to redoubt_workflow;

-- Both run jobs; each takes only the tasks it knows. The queue's own tables are row-secured without policies.
grant usage on schema graphile_worker to redoubt_worker, redoubt_workflow;
grant select, insert, update, delete on all tables in schema graphile_worker to redoubt_worker, redoubt_workflow;
grant usage on all sequences in schema graphile_worker to redoubt_worker, redoubt_workflow;
grant execute on all functions in schema graphile_worker to redoubt_worker, redoubt_workflow;
do $$
declare t regclass;
begin
  for t in select c.oid::regclass from pg_class c
           where c.relnamespace = 'graphile_worker'::regnamespace and c.relkind = 'r' and c.relrowsecurity
             and not exists (select 1 from pg_policy p where p.polrelid = c.oid and p.polname = 'services') loop
    execute format('create policy services on %s to redoubt_worker, redoubt_workflow using (true) with check (true)', t);
  end loop;
end $$;

-- A backup reads every row, and nothing else: no function, no write, and none of the keys that seal contexts. It does so
-- through policies, because BYPASSRLS is a superuser's to give. Found at each start, so that no new table is forgotten.
grant usage on schema redoubt, graphile_worker to redoubt_backup;
grant select on redoubt.migrations, graphile_worker.migrations to redoubt_backup;
grant select on all sequences in schema redoubt, graphile_worker to redoubt_backup;
do $$
declare
  -- Whoever may enter the schema, and its owner for functions that run as it.
  within oid[] := (select array_agg(distinct a.grantee order by a.grantee) from pg_namespace n, aclexplode(n.nspacl) a
                   where n.nspname = 'redoubt' and a.privilege_type = 'USAGE' and a.grantee <> 'redoubt_backup'::regrole);
  names text := (select string_agg(quote_ident(r.rolname), ', ') from pg_roles r where r.oid = any (within));
  t regclass;
  p record;
begin
  for t in select c.oid::regclass from pg_class c
           where c.relnamespace in ('redoubt'::regnamespace, 'graphile_worker'::regnamespace)
             and c.relkind in ('r', 'p') and c.relrowsecurity loop
    execute format('grant select on %s to redoubt_backup', t);
    if not exists (select from pg_policy q where q.polrelid = t and q.polname = 'backup') then
      execute format('create policy backup on %s for select to redoubt_backup using (true)', t);
    end if;
  end loop;
  -- A restrictive policy narrows what all others let through: one for everybody would leave RED cases out of every backup.
  for p in select pol.polname, pol.polrelid::regclass as "table" from pg_policy pol join pg_class c on c.oid = pol.polrelid
           where c.relnamespace = 'redoubt'::regnamespace and not pol.polpermissive
             and (select array_agg(r order by r) from unnest(pol.polroles) r) is distinct from within loop
    execute format('alter policy %I on %s to %s', p.polname, p."table", names);
  end loop;
end $$;
