-- Nonces of signed requests between services (SVC-3), shared by every replica of the keeper, so that a request can be
-- replayed to none of them. Logged: a crash of the database must not forget what came a second before it.
create table redoubt.service_nonces (
  key_id text not null check (length(key_id) <= 64),
  nonce text not null check (length(nonce) <= 64),
  expires_at timestamptz not null,
  primary key (key_id, nonce)
);
create index service_nonces_expiry on redoubt.service_nonces (expires_at);
alter table redoubt.service_nonces enable row level security, force row level security;
create policy keeper on redoubt.service_nonces to redoubt_keeper using (true) with check (true);
