-- +goose Up
CREATE TABLE archive_messages (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
    owner  TEXT NOT NULL, -- an account or a room
    id     TEXT NOT NULL, -- what peers call it (XEP-0359)
    peer   TEXT NOT NULL, -- full or bare address of the other side
    bare   TEXT NOT NULL, -- of peer
    at     INTEGER NOT NULL, -- milliseconds
    stanza BLOB NOT NULL,
    UNIQUE (owner, id)
) STRICT;

CREATE TABLE archive_preferences (
    owner   TEXT PRIMARY KEY,
    rule    TEXT NOT NULL, -- always, never or roster
    always  TEXT NOT NULL, -- JSON array of addresses
    never   TEXT NOT NULL
) STRICT;

CREATE INDEX archive_messages_by_owner ON archive_messages (owner, seq);
CREATE INDEX archive_messages_by_peer ON archive_messages (owner, bare, seq);
CREATE INDEX archive_messages_by_age ON archive_messages (at);

-- +goose Down
DROP TABLE archive_preferences;
DROP TABLE archive_messages;
