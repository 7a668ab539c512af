"""The city behind the fleet: who there is, how it behaves, and what it truly consumes, as pure functions of seed and year.

    chance.py      a random generator of its own for everything that varies
    census.py      how many institutions of which class and sub-class, how many chargers
    kinds.py       what a sub-class looks like: floor area, people, beds
    identity.py    who an institution is
    holidays.py    workdays, public holidays and school vacations
    hours.py       the hours of a year and their months
    weather.py     outdoor temperature and sun
    shapes.py      a day's course by class
    behaviour.py   what drives each end use, hour by hour
    seasons.py     what an ordinary year spends in each month
    spread.py      totals shared out in integers, nothing lost
    traits.py      what tells an institution from its like
    sites.py       which institutions have chargers, and how many
    charging.py    charging sessions of a charger's year
    plan.py        one institution with all its traits; all of them
    budget.py      what an institution's end uses spend in each month
    metering.py    which meters it has
    electricity.py water.py   the hours of a month
    registers.py   faces, starting points and rated capacities of its meters
    truth.py store.py         a year's hourly truth of the whole city, and the file it is kept in

Numbers, sources and assumptions are described in docs/simulator.md.
"""
