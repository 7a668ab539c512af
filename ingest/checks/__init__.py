"""`meterwarden check`: what must hold before the service can do its work, judged one by one. Pure but for files and machine.

result.py     a check's outcome and its words in both languages
files.py      files that settings name: there, readable, closed to others, certificates in time
machine.py    the clock of this machine, the port for Prometheus
broker.py     judges what `ingest/broker/probe.py` has seen
database.py   judges what `ingest/storage/probe.py` has seen
"""
