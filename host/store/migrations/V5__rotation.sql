-- Whose key seals a value or a turn, as an HMAC: nobody who only sees the row could tell, and a rotation seals it anew.
-- Rows from before have none.
ALTER TABLE kv ADD COLUMN owner BLOB;
ALTER TABLE history ADD COLUMN owner BLOB;
