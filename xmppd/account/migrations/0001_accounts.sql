-- +goose Up
CREATE TABLE accounts (
    domain      TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    iterations  INTEGER NOT NULL,
    salt        BLOB    NOT NULL,
    sha1_stored BLOB    NOT NULL,
    sha1_server BLOB    NOT NULL,
    sha256_stored BLOB  NOT NULL,
    sha256_server BLOB  NOT NULL,
    created     INTEGER NOT NULL,
    changed     INTEGER NOT NULL,
    PRIMARY KEY (domain, name)
) STRICT;

-- +goose Down
DROP TABLE accounts;
