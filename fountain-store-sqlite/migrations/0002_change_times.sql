-- Fountain's tables in SQLite, version 2: when each change of the feed was made.

-- The event's `at`. NULL where a process of version 1 wrote, or goes on writing in a file that is shared.
ALTER TABLE fountain_changes ADD COLUMN at INTEGER;

UPDATE fountain_schema SET version = 2 WHERE id = 1;
