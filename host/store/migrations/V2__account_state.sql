-- What a linked account must keep. `space` names a kind of record; `scope` and `name` are HMACs; `value` is sealed and
-- holds the names again. Plain besides: a time to prune by, a number (of a prekey) and whether it was uploaded.
CREATE TABLE account_state (
    account  BLOB NOT NULL,
    space    TEXT NOT NULL,
    scope    BLOB NOT NULL,
    name     BLOB NOT NULL,
    value    BLOB NOT NULL,
    expiry   INTEGER,
    number   INTEGER,
    uploaded INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, space, scope, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_state_expiry ON account_state (account, space, expiry) WHERE expiry IS NOT NULL;
CREATE INDEX account_state_number ON account_state (account, space, number) WHERE number IS NOT NULL;
