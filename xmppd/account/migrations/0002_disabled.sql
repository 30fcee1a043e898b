-- +goose Up
ALTER TABLE accounts ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN seen INTEGER NOT NULL DEFAULT 0; -- when the last session ended

-- +goose Down
ALTER TABLE accounts DROP COLUMN seen;
ALTER TABLE accounts DROP COLUMN disabled;
