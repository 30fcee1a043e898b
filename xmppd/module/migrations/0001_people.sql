-- +goose Up
CREATE TABLE vcards (
    owner TEXT PRIMARY KEY,
    card  BLOB NOT NULL,
    photo TEXT NOT NULL -- SHA-1 of the picture in hex, or empty
) STRICT;

CREATE TABLE private_xml (
    owner   TEXT NOT NULL,
    space   TEXT NOT NULL,
    name    TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (owner, space, name)
) STRICT;

CREATE TABLE blocked (
    owner TEXT NOT NULL,
    addr  TEXT NOT NULL,
    PRIMARY KEY (owner, addr)
) STRICT;

-- +goose Down
DROP TABLE blocked;
DROP TABLE private_xml;
DROP TABLE vcards;
