-- Events are written by the transaction that does the thing; the sequencer then gives each its place in the
-- organization's RFC 6962 tree. Nothing here is ever changed or deleted, not even by the owner.
create table redoubt.audit_events (
  organization_id uuid not null references redoubt.organizations (id),
  id uuid not null default uuidv7(),
  at timestamptz not null,
  actor_kind text not null check (actor_kind in ('person', 'service', 'runner', 'anonymous')),
  actor_id text not null,
  actor_name text not null,
  action text not null,
  target_kind text,
  target_id text,
  outcome text not null check (outcome in ('allowed', 'denied', 'failed')),
  facts jsonb not null default '{}',
  request_id text,
  primary key (organization_id, id),
  -- One event stays far below the longest line that a verifier of the exported log reads.
  check (octet_length(actor_id) + octet_length(actor_name) + octet_length(action) + octet_length(coalesce(target_kind, ''))
    + octet_length(coalesce(target_id, '')) + octet_length(coalesce(request_id, '')) + octet_length(facts::text) <= 262144)
);
create index audit_events_target on redoubt.audit_events (organization_id, target_id, id) where target_id is not null;
create index audit_events_action on redoubt.audit_events (organization_id, action, id);
create index audit_events_actor on redoubt.audit_events (organization_id, actor_id, id);

-- What waits for its place in the log. An event may commit after one with a later id was sealed, so no high-water mark
-- over ids or times could say what is still unsealed; this says it exactly, at the cost of what waits and no more. Only
-- the trigger adds to it: a service that could do so might queue a sealed event again and jam its organization's log.
create table redoubt.audit_unsealed (
  organization_id uuid not null,
  event_id uuid not null,
  primary key (organization_id, event_id)
);

create function redoubt.await_sealing() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  insert into redoubt.audit_unsealed (organization_id, event_id) select a.organization_id, a.id from added a;
  return null;
end $$;
create trigger await_sealing after insert on redoubt.audit_events
  referencing new table as added for each statement execute function redoubt.await_sealing();

-- `body` is the canonical JSON that was hashed, byte for byte.
create table redoubt.audit_log (
  organization_id uuid not null,
  seq bigint not null check (seq >= 0),
  event_id uuid not null,
  body text not null,
  leaf bytea not null check (octet_length(leaf) = 32),
  primary key (organization_id, seq),
  unique (organization_id, event_id),
  foreign key (organization_id, event_id) references redoubt.audit_events (organization_id, id)
);

-- Hashes of complete subtrees, `level` 0 being the leaves.
create table redoubt.audit_nodes (
  organization_id uuid not null references redoubt.organizations (id),
  level smallint not null,
  index bigint not null,
  hash bytea not null check (octet_length(hash) = 32),
  primary key (organization_id, level, index)
);

create table redoubt.audit_checkpoints (
  organization_id uuid not null references redoubt.organizations (id),
  size bigint not null,
  note text not null,
  at timestamptz not null,
  primary key (organization_id, size)
);

create trigger append_only before update or delete or truncate on redoubt.audit_events
  for each statement execute function redoubt.refuse_change();
create trigger append_only before update or delete or truncate on redoubt.audit_log
  for each statement execute function redoubt.refuse_change();
create trigger append_only before update or delete or truncate on redoubt.audit_nodes
  for each statement execute function redoubt.refuse_change();
create trigger append_only before update or delete or truncate on redoubt.audit_checkpoints
  for each statement execute function redoubt.refuse_change();

call redoubt.wall_off('audit_events');
call redoubt.wall_off('audit_unsealed');
call redoubt.wall_off('audit_log');
call redoubt.wall_off('audit_nodes');
call redoubt.wall_off('audit_checkpoints');

-- Sign-in happens before any tenant is known; what it records goes to the organization it concerns.
create policy system on redoubt.audit_events for insert
  with check ((select redoubt.reason()) in ('authenticate', 'sign-in', 'set-up', 'invitation', 'ingest', 'runner'));
create policy system on redoubt.audit_unsealed for insert
  with check ((select redoubt.reason()) in ('authenticate', 'sign-in', 'set-up', 'invitation', 'ingest', 'runner'));
-- Whose events wait; the sequencer then opens one tenant at a time.
create policy sweep on redoubt.audit_unsealed for select
  using ((select redoubt.reason()) = 'sweep');
