create table redoubt.playbooks (
  organization_id uuid not null references redoubt.organizations (id),
  id uuid not null default uuidv7(),
  name text not null check (length(name) between 1 and 120),
  description text not null default '',
  tlp text not null check (tlp in ('CLEAR', 'GREEN', 'AMBER', 'AMBER+STRICT', 'RED')),
  version int not null default 1,
  step_count int not null,
  needs_approval boolean not null,
  archived boolean not null default false,
  updated_at timestamptz not null,
  updated_by uuid not null references redoubt.users (id),
  primary key (organization_id, id)
);
create unique index playbooks_name on redoubt.playbooks (organization_id, lower(name)) where not archived;

-- What a run started with stays readable, whatever becomes of the playbook.
create table redoubt.playbook_versions (
  organization_id uuid not null,
  playbook_id uuid not null,
  version int not null,
  yaml text not null,
  sha256 text not null,
  created_at timestamptz not null,
  primary key (organization_id, playbook_id, version),
  foreign key (organization_id, playbook_id) references redoubt.playbooks (organization_id, id)
);

create table redoubt.runners (
  organization_id uuid not null references redoubt.organizations (id),
  id uuid not null default uuidv7() unique,
  name text not null,
  url text not null,
  public_key jsonb not null,
  key_id text not null,
  enrolled_at timestamptz not null,
  last_seen_at timestamptz,
  revoked_at timestamptz,
  primary key (organization_id, id)
);
-- A key speaks for one runner: with the key of another it could be enrolled twice, and reports would find the wrong one.
create unique index runners_key on redoubt.runners (key_id) where revoked_at is null;
create table redoubt.runner_enrolments (
  organization_id uuid not null references redoubt.organizations (id),
  id uuid not null default uuidv7(),
  name text not null,
  token_hash text not null unique,
  created_by uuid not null references redoubt.users (id),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (organization_id, id)
);

create table redoubt.runs (
  organization_id uuid not null,
  id uuid not null default uuidv7(),
  playbook_id uuid not null,
  playbook_version int not null,
  case_id uuid not null,
  runner_id uuid,
  state text not null check (state in
    ('queued', 'sent', 'running', 'waiting', 'succeeded', 'failed', 'rejected', 'cancelled')),
  inputs jsonb not null,
  started_at timestamptz not null,
  started_by uuid not null references redoubt.users (id),
  ended_at timestamptz,
  waiting jsonb,
  failure text,
  -- The last report taken; reports arrive at least once and in any order.
  report_sequence int not null default 0,
  reported_at timestamptz,
  steps jsonb not null default '[]',
  primary key (organization_id, id),
  foreign key (organization_id, playbook_id, playbook_version)
    references redoubt.playbook_versions (organization_id, playbook_id, version),
  foreign key (organization_id, case_id) references redoubt.cases (organization_id, id),
  foreign key (organization_id, runner_id) references redoubt.runners (organization_id, id)
);
create index runs_case on redoubt.runs (organization_id, case_id, id desc);
create index runs_unfinished on redoubt.runs (organization_id, runner_id) where ended_at is null;

create table redoubt.plans (
  organization_id uuid not null,
  id uuid not null,
  run_id uuid not null,
  canonical text not null,
  sha256 text not null,
  key_id text not null,
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  primary key (organization_id, id),
  foreign key (organization_id, run_id) references redoubt.runs (organization_id, id)
);
create index plans_run on redoubt.plans (organization_id, run_id, issued_at);

create table redoubt.approvals (
  organization_id uuid not null,
  run_id uuid not null,
  step_id text not null,
  user_id uuid not null references redoubt.users (id),
  at timestamptz not null,
  decision text not null check (decision in ('approved', 'rejected')),
  statement text not null,
  primary key (organization_id, run_id, step_id),
  foreign key (organization_id, run_id) references redoubt.runs (organization_id, id)
);

call redoubt.wall_off('playbooks');
call redoubt.wall_off('playbook_versions');
call redoubt.wall_off('runners');
call redoubt.wall_off('runner_enrolments');
call redoubt.wall_off('runs');
call redoubt.wall_off('plans');
call redoubt.wall_off('approvals');

create policy system on redoubt.runners for select using ((select redoubt.reason()) = 'runner');
create policy system on redoubt.runner_enrolments for select using ((select redoubt.reason()) = 'runner');
create policy audience on redoubt.runs as restrictive using (
  exists (select 1 from redoubt.cases c
          where c.organization_id = runs.organization_id and c.id = runs.case_id));
create policy audience on redoubt.plans as restrictive using (
  exists (select 1 from redoubt.runs r
          where r.organization_id = plans.organization_id and r.id = plans.run_id));
create policy audience on redoubt.approvals as restrictive using (
  exists (select 1 from redoubt.runs r
          where r.organization_id = approvals.organization_id and r.id = approvals.run_id));
