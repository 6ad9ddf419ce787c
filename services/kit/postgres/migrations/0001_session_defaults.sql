-- +goose Up
-- What every session of a service's database begins with. Only the owner of a database may say this; for anybody else it stays as it was.
-- +goose StatementBegin
DO $$
BEGIN
    -- Services prepare their statements once per connection, and these look the same whatever their arguments. By default PostgreSQL
    -- would plan many of them anew each time, which takes longer than to run them.
    EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_generic_plan', current_database());
    -- A process that stalls in the middle of a transaction must not keep its locks: another replica goes on.
    EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = %L', current_database(), '15s');
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'defaults stay: % does not own the database', current_user;
END
$$;
-- +goose StatementEnd
