#!lua flags=allow-oom
-- Removing gives memory back: it must run when there is none left.
