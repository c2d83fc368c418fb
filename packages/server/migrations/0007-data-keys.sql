-- Data keys (KEY-1): one line of versions per organization and data class, wrapped by a key-encryption key that only the
-- keeper holds. A service that reads a row learns nothing; it asks the keeper to open it, which its policy may refuse.
-- The nil organization stands for the installation: accounts belong to no single tenant.
create table redoubt.data_keys (
  organization_id uuid not null,
  data_class text not null check (data_class in ('pii', 'index', 'evidence', 'integration', 'secret', 'backup')),
  version int not null check (version > 0),
  kek int not null check (kek > 0),
  wrapped bytea not null check (octet_length(wrapped) between 40 and 200),
  created_at timestamptz not null,
  active_at timestamptz not null,
  -- Set once nothing is sealed under it any more.
  ends_at timestamptz,
  -- Values sealed, counted in blocks that are reserved ahead: never too few (SP 800-38D §8.3).
  uses bigint not null default 0,
  primary key (organization_id, data_class, version)
);
call redoubt.wall_off('data_keys');
create policy installation on redoubt.data_keys
  using (organization_id = '00000000-0000-0000-0000-000000000000' and (select redoubt.reason()) in ('keys', 'rekey'))
  with check (organization_id = '00000000-0000-0000-0000-000000000000' and (select redoubt.reason()) in ('keys', 'rekey'));
-- Which keys are due, over all organizations.
create policy sweep on redoubt.data_keys for select using ((select redoubt.reason()) = 'sweep');
-- The keeper looks whether anything is wrapped by a KEK before it destroys it.
create policy keeper on redoubt.data_keys for select to redoubt_keeper using (true);
-- Whoever could count back would let a key seal beyond its end.
create trigger count_up before update of uses on redoubt.data_keys
  for each row when (new.uses < old.uses) execute function redoubt.refuse_change();

-- What the worker does to keys over many rows, as it goes on: a screen shows it, and after a kill it goes on from there.
create table redoubt.key_jobs (
  id uuid primary key default uuidv7(),
  kind text not null check (kind in ('rewrap', 'reencrypt')),
  -- Whose rows; the nil organization for the installation's own, and for all of them at once.
  organization_id uuid not null,
  -- What is sealed anew; null where keys are wrapped anew.
  data_class text check ((data_class is null) = (kind = 'rewrap')),
  -- The data key's or KEK's version that all is under in the end.
  version int not null check (version > 0),
  done bigint not null default 0 check (done >= 0),
  total bigint not null check (total >= 0),
  -- Values that do not open: they stay, and the key they name stays too.
  damaged bigint not null default 0 check (damaged >= 0),
  state text not null default 'running' check (state in ('running', 'done', 'failed')),
  started_at timestamptz not null,
  ended_at timestamptz check ((ended_at is null) = (state = 'running'))
);
create unique index key_jobs_running on redoubt.key_jobs (kind, organization_id, data_class) nulls not distinct
  where ended_at is null;
create index key_jobs_started on redoubt.key_jobs (started_at);
call redoubt.wall_off('key_jobs');
create policy installation on redoubt.key_jobs
  using (organization_id = '00000000-0000-0000-0000-000000000000' and (select redoubt.reason()) = 'rekey')
  with check (organization_id = '00000000-0000-0000-0000-000000000000' and (select redoubt.reason()) = 'rekey');
create policy sweep on redoubt.key_jobs for select using ((select redoubt.reason()) = 'sweep');

-- In whose log the worker records what it did to the installation's own keys.
create policy sweep on redoubt.set_up for select to redoubt_worker using ((select redoubt.reason()) = 'sweep');

-- Rows whose values are sealed anew: the worker's, and no right of anybody else.
create policy rekey on redoubt.users to redoubt_worker
  using ((select redoubt.reason()) = 'rekey') with check ((select redoubt.reason()) = 'rekey');
create policy rekey on redoubt.sessions to redoubt_worker
  using ((select redoubt.reason()) = 'rekey') with check ((select redoubt.reason()) = 'rekey');
create policy rekey on redoubt.invitations to redoubt_worker
  using (organization_id = (select redoubt.organization()) and (select redoubt.role()) = 'service')
  with check (organization_id = (select redoubt.organization()) and (select redoubt.role()) = 'service');
