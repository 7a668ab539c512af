"""Speed and truth on real embedded servers. Speed as ratios within one run: machines are noisy, absolute figures are only shown.

__main__.py    `python -m benchmarks` (make bench): the chosen scenarios, a table, JSON, exit status 1 below a target
scenarios/     one file a group of scenarios, each a coroutine that yields runs
sizes.py       how much of everything: full, quick, tiny
figures.py     runs -> medians and ratios                                                                  (pure)
targets.py     what must hold, and whether it does                                                         (pure)
report.py      JSON -> tables for docs/performance.md: `python -m benchmarks.report < results.json`        (pure)
bench.py       servers, fleets and the service for a scenario
clients.py     the load generator and the null consumers as processes that start on a word
generator.py   the load generator's process
month.py       the same with a city's month
consumer.py    a null consumer's process: the project's own session, paho or aiomqtt
usage.py       CPU and memory of processes and of the whole machine
machine.py     what this machine and its programs are
vee/           `python -m benchmarks.vee`: how often the rules of validation are right, on a city whose faults are known
series.py      `python -m benchmarks.series`: what the rules find in files of real series
steps.py       `python -m benchmarks.steps`: is what happens to registers called by its name
exactness.py   `python -m benchmarks.exactness`: is consumption what was truly consumed
settled.py     a simulated month through assessment, writer and settlement, for the two
"""
