-- +goose Up
CREATE TABLE pubsub_nodes (
    service TEXT NOT NULL, -- an account, or the domain of a pubsub host
    name    TEXT NOT NULL,
    config  TEXT NOT NULL, -- JSON
    creator TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (service, name)
) STRICT;

CREATE TABLE pubsub_items (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT, -- order of publishing
    service   TEXT NOT NULL,
    node      TEXT NOT NULL,
    id        TEXT NOT NULL,
    publisher TEXT NOT NULL,
    payload   BLOB NOT NULL,
    published INTEGER NOT NULL,
    UNIQUE (service, node, id),
    FOREIGN KEY (service, node) REFERENCES pubsub_nodes ON DELETE CASCADE
) STRICT;

CREATE TABLE pubsub_affiliations (
    service     TEXT NOT NULL,
    node        TEXT NOT NULL,
    addr        TEXT NOT NULL, -- bare
    affiliation TEXT NOT NULL,
    PRIMARY KEY (service, node, addr),
    FOREIGN KEY (service, node) REFERENCES pubsub_nodes ON DELETE CASCADE
) STRICT;

CREATE TABLE pubsub_subscriptions (
    service TEXT NOT NULL,
    node    TEXT NOT NULL,
    addr    TEXT NOT NULL, -- as subscribed, bare or full
    bare    TEXT NOT NULL,
    subid   TEXT NOT NULL,
    state   TEXT NOT NULL, -- subscribed or pending
    deliver INTEGER NOT NULL,
    PRIMARY KEY (service, node, addr),
    FOREIGN KEY (service, node) REFERENCES pubsub_nodes ON DELETE CASCADE
) STRICT;

CREATE INDEX pubsub_items_by_node ON pubsub_items (service, node, seq);
CREATE INDEX pubsub_affiliations_by_addr ON pubsub_affiliations (service, addr);
CREATE INDEX pubsub_subscriptions_by_bare ON pubsub_subscriptions (service, bare);

-- +goose Down
DROP TABLE pubsub_subscriptions;
DROP TABLE pubsub_affiliations;
DROP TABLE pubsub_items;
DROP TABLE pubsub_nodes;
