-- Attempts to link, and whose device an account is. Plain: times and HMACs (of the account, of who asked). The rest is
-- sealed; what was shown during an attempt is never written.
CREATE TABLE links (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    BLOB NOT NULL,
    asked_by   BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX links_account ON links (account, id);
CREATE INDEX links_asked_by ON links (asked_by, started_at);
CREATE INDEX links_open ON links (id) WHERE ended_at IS NULL;

CREATE TABLE devices (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB NOT NULL,
    body    BLOB NOT NULL
) STRICT;
CREATE INDEX devices_account ON devices (account, id);
