-- +goose Up
CREATE TABLE rooms (
    host TEXT NOT NULL,
    node TEXT NOT NULL,
    data TEXT NOT NULL, -- JSON, see savedRoom
    PRIMARY KEY (host, node)
) STRICT;

CREATE TABLE room_salts (
    host TEXT NOT NULL PRIMARY KEY,
    salt BLOB NOT NULL -- key of the host's occupant ids
) STRICT;

-- +goose Down
DROP TABLE room_salts;
DROP TABLE rooms;
