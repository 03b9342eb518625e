-- Plain: states, times, counters and HMACs (columns of 16 bytes). Everything else is sealed.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    account     BLOB NOT NULL,
    dedupe      BLOB NOT NULL,
    state       TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    finished_at INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    approved    INTEGER NOT NULL DEFAULT 0,
    -- Whether anything sealed is left of it.
    kept        INTEGER NOT NULL DEFAULT 1,
    head        BLOB,
    body        BLOB,
    reason      BLOB,
    trace       BLOB,
    UNIQUE (account, dedupe)
) STRICT;
CREATE INDEX inbox_state ON inbox (state, id);
CREATE INDEX inbox_finished ON inbox (kept, finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    message     INTEGER NOT NULL,
    account     BLOB NOT NULL,
    state       TEXT NOT NULL,
    not_before  INTEGER NOT NULL DEFAULT 0,
    ended_at    INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    unknowns    INTEGER NOT NULL DEFAULT 0,
    head        BLOB NOT NULL,
    body        BLOB,
    reason      BLOB,
    provider_id BLOB
) STRICT;
CREATE INDEX outbox_state ON outbox (state, id);
CREATE INDEX outbox_message ON outbox (message);
CREATE INDEX outbox_ended ON outbox (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE kv (
    key    BLOB PRIMARY KEY,
    plugin BLOB NOT NULL,
    size   INTEGER NOT NULL,
    value  BLOB NOT NULL
) STRICT;

CREATE TABLE history (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation BLOB NOT NULL,
    at           INTEGER NOT NULL,
    body         BLOB NOT NULL
) STRICT;
CREATE INDEX history_conversation ON history (conversation, id);

CREATE TABLE contacts (
    key        BLOB PRIMARY KEY,
    -- HMAC of what the row says, to tell whether there is anything new.
    print      BLOB NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;

CREATE TABLE standings (
    person   BLOB PRIMARY KEY,
    standing TEXT NOT NULL,
    body     BLOB NOT NULL
) STRICT;

CREATE TABLE timers (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    key     BLOB NOT NULL UNIQUE,
    account BLOB NOT NULL,
    due     INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT;
CREATE INDEX timers_due ON timers (due);

CREATE TABLE generations (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    at   INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE audits (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    at   INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
