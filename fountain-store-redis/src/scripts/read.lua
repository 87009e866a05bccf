#!lua flags=allow-oom
-- Looking must go on when there is no memory left. It is not flagged `no-writes`: a replica then refuses it, and so does a
-- primary that has lost its replicas where `min-replicas-to-write` is set. No answer is better than an old one (R-107).
