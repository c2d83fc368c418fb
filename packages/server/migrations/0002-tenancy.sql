create table redoubt.organizations (
  id uuid primary key default uuidv7(),
  name text not null check (length(name) between 1 and 120),
  slug text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) between 2 and 48),
  provider_id uuid references redoubt.organizations (id),
  created_at timestamptz not null
);
create index organizations_provider on redoubt.organizations (provider_id);

-- E-mail and IP addresses are sealed field by field, and e-mail addresses found by a keyed index (KEY-2). The row's id is
-- part of what is sealed, so it is made before the row.
create table redoubt.users (
  id uuid primary key,
  email_sealed bytea not null check (octet_length(email_sealed) between 34 and 1100),
  email_index bytea not null unique check (octet_length(email_index) = 20),
  name text not null check (length(name) between 1 and 120),
  created_at timestamptz not null
);

-- Apart from `users`, so that reading a colleague's name never reads a hash.
create table redoubt.credentials (
  user_id uuid primary key references redoubt.users (id) on delete cascade,
  password_hash text not null check (password_hash like '$argon2id$%'),
  changed_at timestamptz not null
);

create table redoubt.memberships (
  organization_id uuid not null references redoubt.organizations (id),
  user_id uuid not null references redoubt.users (id),
  role text not null check (role in ('admin', 'moderator', 'user', 'viewer')),
  created_at timestamptz not null,
  primary key (organization_id, user_id)
);
create index memberships_user on redoubt.memberships (user_id);

create table redoubt.invitations (
  id uuid primary key,
  organization_id uuid not null references redoubt.organizations (id),
  email_sealed bytea not null check (octet_length(email_sealed) between 34 and 1100),
  email_index bytea not null check (octet_length(email_index) = 20),
  role text not null check (role in ('admin', 'moderator', 'user', 'viewer')),
  token_hash text not null unique,
  invited_by uuid not null references redoubt.users (id),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz
);
create unique index invitations_open on redoubt.invitations (organization_id, email_index)
  where accepted_at is null and revoked_at is null;
create index invitations_organization on redoubt.invitations (organization_id, id);

create table redoubt.sessions (
  id uuid primary key,
  user_id uuid not null references redoubt.users (id) on delete cascade,
  kind text not null check (kind in ('browser', 'token')),
  -- Where a token session acts; browsers name the organization with each request.
  organization_id uuid references redoubt.organizations (id),
  token_hash text unique,
  user_agent text not null default '' check (length(user_agent) <= 300),
  -- Where it was opened from; null where the transport did not say.
  ip_sealed bytea check (octet_length(ip_sealed) between 34 and 100),
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_because text
);
create index sessions_user on redoubt.sessions (user_id, created_at desc);

create table redoubt.refresh_tokens (
  token_hash text primary key,
  session_id uuid not null references redoubt.sessions (id) on delete cascade,
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index refresh_tokens_session on redoubt.refresh_tokens (session_id);

-- One row at most: the set-up link of an empty platform.
create table redoubt.set_up (
  "only" boolean primary key default true check ("only"),
  token_hash text not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  operator_organization_id uuid references redoubt.organizations (id)
);

alter table redoubt.organizations enable row level security, force row level security;
alter table redoubt.users enable row level security, force row level security;
alter table redoubt.credentials enable row level security, force row level security;
alter table redoubt.memberships enable row level security, force row level security;
alter table redoubt.invitations enable row level security, force row level security;
alter table redoubt.sessions enable row level security, force row level security;
alter table redoubt.refresh_tokens enable row level security, force row level security;
alter table redoubt.set_up enable row level security, force row level security;

create policy member on redoubt.memberships for select
  using (organization_id = (select redoubt.organization()));
-- Only an admin changes who belongs: SQL injected into anybody else's request cannot make them one.
create policy admin on redoubt.memberships
  using (organization_id = (select redoubt.organization()) and (select redoubt.role()) = 'admin')
  with check (organization_id = (select redoubt.organization()) and (select redoubt.role()) = 'admin');
create policy self on redoubt.memberships for select
  using ((select redoubt.role()) = 'self' and user_id = (select redoubt.person()));
create policy system on redoubt.memberships for select
  using ((select redoubt.reason()) in ('authenticate', 'sign-in', 'set-up', 'invitation'));
create policy system_insert on redoubt.memberships for insert
  with check ((select redoubt.reason()) in ('set-up', 'invitation'));
-- A function, because the policies of organizations ask memberships in turn, which PostgreSQL refuses as recursion.
create function redoubt.provides_for(client uuid) returns boolean
language plpgsql stable set search_path = pg_catalog as $$
begin
  return exists (select 1 from redoubt.organizations o where o.id = client and o.provider_id = redoubt.organization());
end $$;
-- A provider makes the first membership of a client it has just created.
create policy provider on redoubt.memberships for insert
  with check (user_id = (select redoubt.person()) and role = 'admin' and (select redoubt.role()) = 'admin'
    and redoubt.provides_for(organization_id));

create policy tenant on redoubt.organizations for select
  using (id = (select redoubt.organization()) or provider_id = (select redoubt.organization()));
create policy self on redoubt.organizations for select
  using ((select redoubt.role()) = 'self' and exists (
    select 1 from redoubt.memberships m where m.organization_id = id and m.user_id = (select redoubt.person())));
create policy system on redoubt.organizations for select
  using ((select redoubt.reason()) in ('authenticate', 'sign-in', 'set-up', 'invitation', 'sweep'));
create policy system_insert on redoubt.organizations for insert
  with check ((select redoubt.reason()) = 'set-up');
create policy provider on redoubt.organizations for insert
  with check (provider_id = (select redoubt.organization()) and (select redoubt.role()) = 'admin');

-- For those alone who serve people: a policy that asks `memberships` asks it with the rights of whoever reads.
create policy tenant on redoubt.users for select to redoubt_web, redoubt_api
  using (exists (select 1 from redoubt.memberships m
                 where m.organization_id = (select redoubt.organization()) and m.user_id = id));
create policy self on redoubt.users for select
  using (id = (select redoubt.person()));
create policy system on redoubt.users for select
  using ((select redoubt.reason()) in ('authenticate', 'sign-in', 'set-up', 'invitation'));
create policy system_insert on redoubt.users for insert
  with check ((select redoubt.reason()) in ('set-up', 'invitation'));

-- Hashes are read where a password is proven, and nowhere else.
create policy system on redoubt.credentials for select
  using ((select redoubt.reason()) = 'sign-in');
create policy system_insert on redoubt.credentials for insert
  with check ((select redoubt.reason()) in ('set-up', 'invitation'));

create policy tenant on redoubt.invitations
  using (organization_id = (select redoubt.organization()) and (select redoubt.role()) = 'admin')
  with check (organization_id = (select redoubt.organization()) and (select redoubt.role()) = 'admin');
create policy system on redoubt.invitations
  using ((select redoubt.reason()) = 'invitation') with check ((select redoubt.reason()) = 'invitation');

create policy self on redoubt.sessions
  using (user_id = (select redoubt.person()) and (select redoubt.role()) = 'self');
-- An admin ends a member's browser sessions and the tokens for this organization; those for others are not theirs to see.
create policy admin on redoubt.sessions to redoubt_web, redoubt_api
  using ((select redoubt.role()) = 'admin' and coalesce(organization_id, (select redoubt.organization())) = (select redoubt.organization()) and exists (
    select 1 from redoubt.memberships m
    where m.organization_id = (select redoubt.organization()) and m.user_id = sessions.user_id));
create policy system on redoubt.sessions
  using ((select redoubt.reason()) in ('authenticate', 'sign-in', 'set-up', 'invitation'))
  with check ((select redoubt.reason()) in ('authenticate', 'sign-in', 'set-up', 'invitation'));

create policy system on redoubt.refresh_tokens
  using ((select redoubt.reason()) = 'sign-in') with check ((select redoubt.reason()) = 'sign-in');

create policy system on redoubt.set_up
  using ((select redoubt.reason()) in ('set-up', 'sign-in', 'authenticate'))
  with check ((select redoubt.reason()) = 'set-up');
