"""What is compared as SQL over the ledger: messages in quarantine, and the counts.

Everything is temporary, beside a ledger that is only read.
"""

from typing import Final

FOUND: Final = """
DROP TABLE IF EXISTS temp.found_quarantine;
DROP VIEW IF EXISTS temp.sent;
CREATE TEMP TABLE found_quarantine(key BLOB PRIMARY KEY, reason TEXT) WITHOUT ROWID;
CREATE TEMP VIEW sent AS SELECT * FROM message WHERE outcome NOT IN ('status', 'dropped');
"""

QUARANTINE: Final = """
SELECT 'rejected messages missing from quarantine', 'should be there as ' || reason || ': ' || topic || said
FROM (SELECT *, ', ' || fate || ', published ' || published || ' times' AS said FROM sent WHERE outcome = 'rejected')
WHERE key NOT IN (SELECT key FROM found_quarantine)
UNION ALL
SELECT 'messages in quarantine that should not be there',
       found.reason || ' '
       || coalesce(topic || ', expected to be ' || outcome, 'never sent, key ' || lower(substr(hex(key), 1, 16)) || '…')
FROM found_quarantine AS found LEFT JOIN sent USING (key) WHERE outcome IS NOT 'rejected'
UNION ALL
SELECT 'messages in quarantine for another reason', found.reason || ' instead of ' || sent.reason || ' ' || topic
FROM sent JOIN found_quarantine AS found USING (key)
WHERE outcome = 'rejected' AND found.reason IS NOT sent.reason
"""
"""A row for everything that disagrees: what, and which."""

COUNTS: Final = """
SELECT coalesce(sum(outcome IN ('stored', 'disputed')), 0), coalesce(sum(outcome = 'disputed'), 0),
       coalesce(sum(outcome = 'rejected'), 0), coalesce(sum(published - 1), 0), (SELECT count(*) FROM found_quarantine),
       (SELECT coalesce(sum(published), 0) FROM message WHERE outcome = 'status'),
       (SELECT count(*) FROM message WHERE outcome = 'dropped')
FROM sent
"""
