-- Who runs the installation sees the state of every organization's data keys (KEY-6): an admin of the organization that set
-- the platform up, decided here on the signed context once more. What the keys wrap stays wrapped.
create policy operator on redoubt.set_up for select to redoubt_web, redoubt_api
  using (operator_organization_id = (select redoubt.organization()));

create function redoubt.is_operator() returns boolean
language plpgsql stable set search_path = pg_catalog as $$
begin
  return redoubt.role() = 'admin'
    and exists (select 1 from redoubt.set_up s where s.operator_organization_id = redoubt.organization());
end $$;

create policy operator on redoubt.data_keys for select to redoubt_web, redoubt_api
  using ((select redoubt.is_operator()));
create policy operator on redoubt.key_jobs for select to redoubt_web, redoubt_api
  using ((select redoubt.is_operator()));
