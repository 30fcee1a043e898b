-- +goose Up
ALTER TABLE pubsub_nodes ADD COLUMN parent TEXT NOT NULL DEFAULT ''; -- the collection it is in
ALTER TABLE pubsub_subscriptions ADD COLUMN nodes INTEGER NOT NULL DEFAULT 0; -- of a collection: hears of nodes, not of items
ALTER TABLE pubsub_subscriptions ADD COLUMN deep INTEGER NOT NULL DEFAULT 0; -- of a collection: all below it, not only its own
CREATE INDEX pubsub_nodes_by_parent ON pubsub_nodes (service, parent);

-- +goose Down
DROP INDEX pubsub_nodes_by_parent;
ALTER TABLE pubsub_subscriptions DROP COLUMN deep;
ALTER TABLE pubsub_subscriptions DROP COLUMN nodes;
ALTER TABLE pubsub_nodes DROP COLUMN parent;
