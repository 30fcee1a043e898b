-- +goose Up
CREATE TABLE upload_files (
    id      TEXT PRIMARY KEY, -- part of the address, and the name in the directory
    name    TEXT NOT NULL,
    type    TEXT NOT NULL,
    size    INTEGER NOT NULL,
    owner   TEXT NOT NULL,
    secret  TEXT NOT NULL, -- SHA-256 of what the uploader must show, empty once stored
    created INTEGER NOT NULL
) STRICT;

CREATE INDEX upload_files_by_owner ON upload_files (owner, created);
CREATE INDEX upload_files_by_age ON upload_files (created);

-- +goose Down
DROP TABLE upload_files;
