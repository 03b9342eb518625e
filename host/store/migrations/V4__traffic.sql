-- What accounts sent and received, by quarters of an hour since 1970. Plain: an HMAC, times and counts.
CREATE TABLE traffic (
    account  BLOB NOT NULL,
    quarter  INTEGER NOT NULL,
    sent     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (account, quarter)
) STRICT, WITHOUT ROWID;

-- What the journal still knows of the time before: a limit holds on the day of the upgrade, too.
INSERT INTO traffic (account, quarter, sent, received)
SELECT account, quarter, SUM(sent), SUM(received) FROM (
    SELECT account, ended_at / 900000 AS quarter, 1 AS sent, 0 AS received
    FROM outbox WHERE state = 'sent' AND ended_at IS NOT NULL
    UNION ALL
    SELECT account, accepted_at / 900000, 0, 1 FROM inbox
) GROUP BY account, quarter;

-- 1 for what limits count as a message.
ALTER TABLE outbox ADD COLUMN counts INTEGER NOT NULL DEFAULT 1;

-- 1 for what is written of every message sent, and kept for less long than what people did.
ALTER TABLE audits ADD COLUMN routine INTEGER NOT NULL DEFAULT 0;
CREATE INDEX audits_rare ON audits (id) WHERE routine = 0;
