-- +goose Up
ALTER TABLE contacts ADD COLUMN approved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN request TEXT NOT NULL DEFAULT ''; -- the presence he asked with
ALTER TABLE contacts ADD COLUMN version INTEGER NOT NULL DEFAULT 0; -- of the list when the entry changed
CREATE TABLE contact_lists (
    owner   TEXT    PRIMARY KEY,
    version INTEGER NOT NULL,
    oldest  INTEGER NOT NULL -- changes before this version are not known
) STRICT, WITHOUT ROWID;
CREATE TABLE removed_contacts (
    owner   TEXT    NOT NULL,
    addr    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (owner, addr)
) STRICT, WITHOUT ROWID;
CREATE TABLE offline_messages (
    id     INTEGER PRIMARY KEY,
    owner  TEXT    NOT NULL,
    stanza TEXT    NOT NULL
) STRICT;
CREATE INDEX offline_by_owner ON offline_messages (owner, id);
CREATE TABLE notices (
    name TEXT PRIMARY KEY, -- motd, admins, blocked, allowed
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE notices;
DROP TABLE offline_messages;
DROP TABLE removed_contacts;
DROP TABLE contact_lists;
ALTER TABLE contacts DROP COLUMN version;
ALTER TABLE contacts DROP COLUMN request;
ALTER TABLE contacts DROP COLUMN approved;
