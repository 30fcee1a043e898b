-- +goose Up
CREATE TABLE contacts (
    owner        TEXT    NOT NULL,
    addr         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    groups       TEXT    NOT NULL, -- JSON array
    subscription TEXT    NOT NULL,
    ask          INTEGER NOT NULL,
    pending      INTEGER NOT NULL,
    listed       INTEGER NOT NULL,
    PRIMARY KEY (owner, addr)
) STRICT;

-- +goose Down
DROP TABLE contacts;
