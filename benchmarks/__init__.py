"""Speed and truth on real embedded servers. Speed as ratios within one run: machines are noisy, absolute figures are only shown.

__main__.py   `python -m benchmarks` (make bench): every scenario, a table, JSON
vee/          `python -m benchmarks.vee`: how often the rules of validation are right, on a city whose faults are known
series.py     `python -m benchmarks.series`: what the rules find in files of real series
steps.py      `python -m benchmarks.steps`: is what happens to registers called by its name
exactness.py  `python -m benchmarks.exactness`: is consumption what was truly consumed
settled.py    a simulated month through assessment, writer and settlement, for the two
bench.py      servers, service and registry for a scenario; what is read off a process
"""
