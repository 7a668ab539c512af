"""Rejected messages, kept whole: found, replayed, purged, kept within their caps.

filters.py   what an operator is looking for -> parameters of one query                    (pure)
found.py     which messages match: their numbers and sizes, in order
kept.py      messages as they are kept, a chunk at a time
replay.py    messages through intake's own decision and transaction once more
purge.py     messages deleted, each deletion recorded
caps.py      the oldest deleted where all of them grow too large or too old
"""
