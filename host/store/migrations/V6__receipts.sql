-- How far what an account sent came, by the provider's word. Plain: HMACs (of the account, of the provider's id) and times.
-- Apart from the deliveries, since a receipt may come before it is written that its delivery was sent, and of what the owner
-- wrote elsewhere.
CREATE TABLE receipts (
    account      BLOB NOT NULL,
    sent         BLOB NOT NULL,
    delivered_at INTEGER NOT NULL,
    read_at      INTEGER,
    PRIMARY KEY (account, sent)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_old ON receipts (delivered_at);
