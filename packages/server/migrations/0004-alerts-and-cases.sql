create table redoubt.counters (
  organization_id uuid not null references redoubt.organizations (id),
  name text not null,
  value bigint not null,
  primary key (organization_id, name)
);

create table redoubt.sources (
  organization_id uuid not null references redoubt.organizations (id),
  id uuid not null default uuidv7() unique,
  name text not null check (length(name) between 1 and 120),
  slug text not null,
  type text not null,
  tlp text not null check (tlp in ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT')),
  enabled boolean not null default true,
  mapping jsonb,
  -- Both are null in the platform's own source, and in no other: nobody can send alerts in its name.
  token_hash text unique,
  webhook_secret bytea,
  created_at timestamptz not null,
  last_event_at timestamptz,
  primary key (organization_id, id),
  unique (organization_id, slug),
  check ((slug = 'system-health') = (token_hash is null)),
  check ((token_hash is null) = (webhook_secret is null))
);

-- Severity as its rank, 0 informational to 4 critical, so that it sorts and takes the graver of two.
create table redoubt.cases (
  organization_id uuid not null references redoubt.organizations (id),
  id uuid not null default uuidv7(),
  number bigint not null,
  title text not null check (length(title) between 1 and 300),
  description text not null default '' check (length(description) <= 20000),
  resolution text check (length(resolution) <= 20000),
  severity smallint not null check (severity between 0 and 4),
  tlp text not null check (tlp in ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  audience text not null default 'organization' check (audience in ('organization', 'named')),
  phase text not null default 'detection' check (phase in
    ('detection', 'triage', 'containment', 'eradication', 'recovery', 'post-incident-review', 'closed')),
  owner_id uuid references redoubt.users (id),
  version int not null default 1,
  opened_at timestamptz not null,
  opened_by text not null,
  rule text,
  updated_at timestamptz not null,
  due_at timestamptz,
  responded_at timestamptz,
  breached_at timestamptz,
  closed_at timestamptz,
  merged_into uuid,
  alert_count int not null default 0,
  techniques text[] not null default '{}',
  primary key (organization_id, id),
  unique (organization_id, number),
  foreign key (organization_id, merged_into) references redoubt.cases (organization_id, id),
  check (tlp <> 'RED' or audience = 'named')
);
create index cases_open on redoubt.cases (organization_id, id) where closed_at is null;
create index cases_owner on redoubt.cases (organization_id, owner_id, id);
create index cases_unanswered on redoubt.cases (organization_id, due_at) where responded_at is null and closed_at is null;
create index cases_answered on redoubt.cases (organization_id, opened_at desc) where responded_at is not null;

create table redoubt.case_recipients (
  organization_id uuid not null,
  case_id uuid not null,
  user_id uuid not null references redoubt.users (id),
  primary key (organization_id, case_id, user_id),
  foreign key (organization_id, case_id) references redoubt.cases (organization_id, id) on delete cascade
);

create table redoubt.alerts (
  organization_id uuid not null references redoubt.organizations (id),
  id uuid not null default uuidv7(),
  source_id uuid not null,
  -- SHA-256 over type, source and the vendor's reference, or over the fingerprint where there is none.
  dedup_key bytea not null check (octet_length(dedup_key) = 32),
  title text not null check (length(title) between 1 and 300),
  description text,
  severity smallint not null check (severity between 0 and 4),
  state text not null default 'new' check (state in ('new', 'acknowledged', 'in-case', 'dismissed')),
  tlp text not null check (tlp in ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  count int not null default 1,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  occurred_at timestamptz,
  due_at timestamptz,
  acknowledged_at timestamptz,
  dismissed_because text,
  assignee_id uuid references redoubt.users (id),
  case_id uuid,
  -- The RED case this alert belongs to; only its recipients see the alert.
  restricted_case uuid,
  source_ref text,
  finding jsonb not null,
  raw text not null,
  -- The newest payload where it differs from the first.
  latest_raw text,
  techniques text[] not null default '{}',
  entities text[] not null default '{}',
  enriched_at timestamptz,
  primary key (organization_id, id),
  unique (organization_id, source_id, dedup_key),
  foreign key (organization_id, source_id) references redoubt.sources (organization_id, id),
  foreign key (organization_id, case_id) references redoubt.cases (organization_id, id)
);
create index alerts_seen on redoubt.alerts (organization_id, last_seen_at desc, id desc);
create index alerts_open on redoubt.alerts (organization_id, state, severity, last_seen_at desc, id desc)
  where state in ('new', 'acknowledged');
create index alerts_case on redoubt.alerts (organization_id, case_id) where case_id is not null;

create table redoubt.alert_observables (
  organization_id uuid not null,
  alert_id uuid not null,
  type text not null,
  value text not null check (length(value) <= 2048),
  role text,
  internal boolean not null default false,
  foreign key (organization_id, alert_id) references redoubt.alerts (organization_id, id) on delete cascade
);
create unique index alert_observables_once on redoubt.alert_observables (organization_id, alert_id, type, md5(value));
create index alert_observables_value on redoubt.alert_observables (organization_id, md5(value), type);

-- What was answered to a batch, by its idempotency key, written with the batch: a retry gets the same answer.
create table redoubt.ingest_receipts (
  organization_id uuid not null,
  source_id uuid not null,
  key bytea not null check (octet_length(key) = 32),
  receipt jsonb not null,
  at timestamptz not null,
  primary key (organization_id, source_id, key),
  foreign key (organization_id, source_id) references redoubt.sources (organization_id, id) on delete cascade
);
create index ingest_receipts_at on redoubt.ingest_receipts (organization_id, at);

create table redoubt.case_timeline (
  organization_id uuid not null,
  id uuid not null default uuidv7(),
  case_id uuid not null,
  at timestamptz not null,
  kind text not null,
  actor_kind text not null check (actor_kind in ('person', 'service', 'runner')),
  actor_id text not null,
  actor_name text not null,
  text text not null default '' check (length(text) <= 20000),
  facts jsonb not null default '{}',
  audit_event_id uuid,
  primary key (organization_id, id),
  foreign key (organization_id, case_id) references redoubt.cases (organization_id, id)
);
create index case_timeline_case on redoubt.case_timeline (organization_id, case_id, id desc);

create table redoubt.case_tasks (
  organization_id uuid not null,
  id uuid not null default uuidv7(),
  case_id uuid not null,
  title text not null check (length(title) between 1 and 300),
  state text not null default 'open' check (state in ('open', 'done', 'cancelled')),
  assignee_id uuid references redoubt.users (id),
  version int not null default 1,
  created_at timestamptz not null,
  primary key (organization_id, id),
  foreign key (organization_id, case_id) references redoubt.cases (organization_id, id)
);
create index case_tasks_case on redoubt.case_tasks (organization_id, case_id, id);

create table redoubt.case_observables (
  organization_id uuid not null,
  id uuid not null default uuidv7(),
  case_id uuid not null,
  type text not null,
  value text not null check (length(value) <= 2048),
  internal boolean not null default false,
  verdict text not null default 'unknown' check (verdict in ('unknown', 'benign', 'suspicious', 'malicious')),
  sightings int not null default 0,
  primary key (organization_id, id),
  foreign key (organization_id, case_id) references redoubt.cases (organization_id, id)
);
create unique index case_observables_once on redoubt.case_observables (organization_id, case_id, type, md5(value));
create index case_observables_value on redoubt.case_observables (organization_id, md5(value), type);

call redoubt.wall_off('counters');
call redoubt.wall_off('sources');
call redoubt.wall_off('cases');
call redoubt.wall_off('case_recipients');
call redoubt.wall_off('alerts');
call redoubt.wall_off('alert_observables');
call redoubt.wall_off('ingest_receipts');
call redoubt.wall_off('case_timeline');
call redoubt.wall_off('case_tasks');
call redoubt.wall_off('case_observables');

create policy system on redoubt.sources for select using ((select redoubt.reason()) = 'ingest');
-- Whose receipts are old; the sweep then opens one tenant at a time.
create policy sweep on redoubt.ingest_receipts for select using ((select redoubt.reason()) = 'sweep');

-- Who may see a case, the same rule as policies/cases.cedar (a test holds the two together):
-- RED its named recipients alone; `named` also owner, moderators and admins; services see what they serve.
-- Reading, changing and deleting each have a policy: an UPDATE without a WHERE never consults the one for SELECT.
-- What everybody sees is decided first, from the row alone: the context is asked only for what is narrower.
create policy audience on redoubt.cases as restrictive for select using (
  case
    when tlp <> 'RED' and audience = 'organization' then true
    when (select redoubt.role()) = 'service' then true
    when tlp <> 'RED' and ((select redoubt.role()) in ('admin', 'moderator') or owner_id = (select redoubt.person())) then true
    else exists (select 1 from redoubt.case_recipients r
                 where r.organization_id = cases.organization_id and r.case_id = cases.id
                   and r.user_id = (select redoubt.person()))
  end);
create policy audience_update on redoubt.cases as restrictive for update using (
  case
    when tlp <> 'RED' and audience = 'organization' then true
    when (select redoubt.role()) = 'service' then true
    when tlp <> 'RED' and ((select redoubt.role()) in ('admin', 'moderator') or owner_id = (select redoubt.person())) then true
    else exists (select 1 from redoubt.case_recipients r
                 where r.organization_id = cases.organization_id and r.case_id = cases.id
                   and r.user_id = (select redoubt.person()))
  end) with check (true);
create policy audience_delete on redoubt.cases as restrictive for delete using (
  case
    when tlp <> 'RED' and audience = 'organization' then true
    when (select redoubt.role()) = 'service' then true
    when tlp <> 'RED' and ((select redoubt.role()) in ('admin', 'moderator') or owner_id = (select redoubt.person())) then true
    else exists (select 1 from redoubt.case_recipients r
                 where r.organization_id = cases.organization_id and r.case_id = cases.id
                   and r.user_id = (select redoubt.person()))
  end);
create policy audience on redoubt.alerts as restrictive for select using (
  restricted_case is null
  or (select redoubt.role()) = 'service'
  or exists (select 1 from redoubt.case_recipients r
             where r.organization_id = alerts.organization_id and r.case_id = alerts.restricted_case
               and r.user_id = (select redoubt.person())));
create policy audience_update on redoubt.alerts as restrictive for update using (
  restricted_case is null
  or (select redoubt.role()) = 'service'
  or exists (select 1 from redoubt.case_recipients r
             where r.organization_id = alerts.organization_id and r.case_id = alerts.restricted_case
               and r.user_id = (select redoubt.person()))) with check (true);
create policy audience_delete on redoubt.alerts as restrictive for delete using (
  restricted_case is null
  or (select redoubt.role()) = 'service'
  or exists (select 1 from redoubt.case_recipients r
             where r.organization_id = alerts.organization_id and r.case_id = alerts.restricted_case
               and r.user_id = (select redoubt.person())));
create policy audience on redoubt.alert_observables as restrictive using (
  (select redoubt.role()) = 'service'
  or exists (select 1 from redoubt.alerts a
             where a.organization_id = alert_observables.organization_id and a.id = alert_observables.alert_id));
-- Who is named on a case is known to those who see the case, and only they name anybody: otherwise SQL run as the
-- application could list the recipients of a RED case, or add itself to them. Asked through a function, because the
-- policies of `cases` read this table and naming `cases` in its policy would be a circle; they read the caller's own row
-- alone, which the first two conditions answer. The high cost keeps the function behind every cheaper condition.
create function redoubt.sees_case(wanted uuid) returns boolean
language plpgsql stable cost 10000 set search_path = pg_catalog as $$
begin
  return exists (select from redoubt.cases c where c.organization_id = redoubt.organization() and c.id = wanted);
end $$;
create policy audience on redoubt.case_recipients as restrictive for select using (
  (select redoubt.role()) = 'service' or user_id = (select redoubt.person()) or redoubt.sees_case(case_id));
create policy audience_insert on redoubt.case_recipients as restrictive for insert with check (redoubt.sees_case(case_id));
create policy audience_update on redoubt.case_recipients as restrictive for update using (false);
create policy audience_delete on redoubt.case_recipients as restrictive for delete using (redoubt.sees_case(case_id));
create policy audience on redoubt.case_timeline as restrictive using (
  exists (select 1 from redoubt.cases c
          where c.organization_id = case_timeline.organization_id and c.id = case_timeline.case_id));
create policy audience on redoubt.case_tasks as restrictive using (
  exists (select 1 from redoubt.cases c
          where c.organization_id = case_tasks.organization_id and c.id = case_tasks.case_id));
create policy audience on redoubt.case_observables as restrictive using (
  exists (select 1 from redoubt.cases c
          where c.organization_id = case_observables.organization_id and c.id = case_observables.case_id));

-- Alerts of a case follow it into RED and out again, whoever moves them.
create function redoubt.restrict_alert() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  new.restricted_case := (select c.id from redoubt.cases c
    where c.organization_id = new.organization_id and c.id = new.case_id and c.tlp = 'RED');
  return new;
end $$;
create trigger restrict_alert before insert or update of case_id on redoubt.alerts
  for each row when (new.case_id is not null) execute function redoubt.restrict_alert();
create function redoubt.restrict_alerts_of_case() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  update redoubt.alerts a set restricted_case = case when new.tlp = 'RED' then new.id end
  where a.organization_id = new.organization_id and a.case_id = new.id;
  return null;
end $$;
create trigger restrict_alerts after update of tlp on redoubt.cases
  for each row when ((old.tlp = 'RED') <> (new.tlp = 'RED')) execute function redoubt.restrict_alerts_of_case();
