"""How often the rules of validation are right.

__main__.py    `python -m benchmarks.vee`: the tables of docs/vee.md
tables.py      what runs add up to
city.py        a simulated city's registers, and what the simulator did to them
tariffs.py     tariff registers beside totals
faults.py      faults of this benchmark's own
registers.py   registers in memory -> digests -> findings
"""
