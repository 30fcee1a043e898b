-- +goose Up
CREATE TABLE account_decoy (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB NOT NULL -- of the salts that are shown for names nobody has
) STRICT;

-- +goose Down
DROP TABLE account_decoy;
