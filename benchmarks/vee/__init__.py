"""How often the rules of validation are right.

__main__.py    `python -m benchmarks.vee`: the tables of docs/vee.md
city.py        a simulated city's registers, and what the simulator did to them
faults.py      faults of this benchmark's own
registers.py   registers in memory -> digests -> findings
"""
