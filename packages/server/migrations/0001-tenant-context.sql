-- The signed tenant context (TEN-2). A transaction carries `app.context`:
--   organization|actor|role|expiry|backend pid + 64 hex digits of HMAC-SHA-256 over all before them
-- The key lies in a table that no application role may read, one key per role, so that SQL injected as a
-- service's role cannot make itself another tenant. The pid ties a context to one connection: read off another
-- session's query text it is worthless.

create extension if not exists pgcrypto with schema redoubt;

create table redoubt.context_keys (
  role name primary key,
  key bytea not null check (octet_length(key) = 32)
);

create function redoubt.context_part(part int) returns text
language plpgsql stable parallel restricted security definer set search_path = pg_catalog as $$
declare
  context text := current_setting('app.context', true);
  body text;
begin
  -- A setting that was set in an earlier transaction reads back as '' rather than NULL: both mean no tenant.
  if coalesce(context, '') = '' then return null; end if;
  body := left(context, -64);
  -- Hashing both sides takes the comparison's timing away from whoever can choose the text.
  if sha256(redoubt.hmac(convert_to(body, 'UTF8'), (select k.key from redoubt.context_keys k where k.role = session_user), 'sha256'))
     is distinct from sha256(decode(right(context, 64), 'hex')) then
    raise exception 'forged tenant context' using errcode = '42501';
  end if;
  if split_part(body, '|', 5)::int <> pg_backend_pid() then
    raise exception 'tenant context of another connection' using errcode = '42501';
  end if;
  if split_part(body, '|', 4)::bigint < extract(epoch from clock_timestamp()) then
    raise exception 'expired tenant context' using errcode = '42501';
  end if;
  return split_part(body, '|', part);
end $$;

-- Each of these asks once: the check of the MAC is most of what a policy costs.

-- The organization of this transaction; NULL, which equals nothing, when there is none. The nil organization stands for
-- none in what a person or the system does outside any tenant; no tenant's context can be sealed with it.
create function redoubt.organization() returns uuid
language sql stable parallel restricted as $$
  select nullif(redoubt.context_part(1), '00000000-0000-0000-0000-000000000000')::uuid
$$;

-- The person of this transaction; NULL for services and the system, whose names carry a colon.
create function redoubt.person() returns uuid
language sql stable parallel restricted as $$ select substring(redoubt.context_part(2) from '^[^:]+$')::uuid $$;

-- admin, moderator, user, viewer; `service` inside a tenant; `self` for a person outside any tenant; `system`.
create function redoubt.role() returns text
language sql stable parallel restricted as $$ select redoubt.context_part(3) $$;

-- Why work happens outside any tenant, such as 'sign-in'; NULL everywhere else.
create function redoubt.reason() returns text
language sql stable parallel restricted as $$ select substring(redoubt.context_part(2) from '^system:(.*)$') $$;

-- Every table of tenants (TEN-1): row security forced, also on the owner, and rows of the signed organization alone.
create procedure redoubt.wall_off(name text)
language plpgsql as $$
begin
  execute format('alter table redoubt.%I enable row level security, force row level security', name);
  execute format('create policy tenant on redoubt.%I using (organization_id = (select redoubt.organization()))
    with check (organization_id = (select redoubt.organization()))', name);
end $$;

create function redoubt.refuse_change() returns trigger
language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = '42501';
end $$;
