"""Speed, measured on real embedded servers, as ratios within one run: machines are noisy, so absolute figures are only shown.

__main__.py   `python -m benchmarks` (make bench): every scenario, a table, JSON
vee/          `python -m benchmarks.vee`: how often the rules of validation are right, on a city whose faults are known
bench.py      servers, service and registry for a scenario; what is read off a process
"""
