"""Reads the keys of changed rows from the binary log of a MySQL or MariaDB server.

    start = end_of_log(link, flavour)                       # position.py: Position(file, offset, gtid); or from a checkpoint
    with KeyReader(address, [watch(table, key)], start, sink) as reader:   # reader.py: a thread of its own
        reader.wait_until(end_of_log(link, flavour), 5.0)   # True: all before it has been delivered to the sink
        reader.position                                     # what `committed` was told last
        reader.check()                                      # raises what ended the reading; wait_until does, too

KeyReader raises `PositionGone` or `PositionRewound` at once when the start cannot be; later `Lost` when the connection broke
(begin another one at `reader.position`), or a `StreamUnusable` (errors.py). `obstacles(address)` (preflight.py) says
beforehand why a server does not give its log.

The literals compare as the column does in a session with time_zone '+00:00' and an sql_mode without NO_ZERO_DATE, NO_ZERO_IN_DATE
and with ALLOW_INVALID_DATES; they also fit the same key under another type or character set, as a shadow table may have it.

What no reader of a log can see: sessions with sql_log_bin=0; rows changed by a foreign key's cascade on MariaDB; writes in
statement format that reach a watched table through a trigger, view or function of another schema. What this one does not read:
encrypted logs of MariaDB, and keys of its temporal columns from before 5.6 (ALTER TABLE … FORCE renews them).
"""
