"""What institutions of a sub-class look like: lognormal floor area, lognormal area a person has. Invented, plausible."""

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A lognormal distribution by its median and the standard deviation of its logarithm, cut off at both ends."""

    median: float
    sigma: float
    least: float
    most: float

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return min(max(self.median * float(np.exp(self.sigma * rng.standard_normal())), self.least), self.most)


@dataclass(frozen=True, slots=True)
class Kind:
    """A sub-class: the word in its institutions' names, floor area, area a person has, and area a bed stands for."""

    word: str
    floor_area_m2: Lognormal
    m2_a_person: Lognormal
    m2_a_bed: int = 0


def _area(median: float, sigma: float = 0.5) -> Lognormal:
    return Lognormal(median, sigma, max(300, median / 5), median * 5)


def _person(median: float) -> Lognormal:
    return Lognormal(median, 0.2, median / 2, median * 2)


KINDS: Final[dict[tuple[str, str], Kind]] = {
    ("government", "city"): Kind("市级机关", _area(9_000), _person(38)),
    ("government", "county"): Kind("县级机关", _area(3_600), _person(34)),
    ("government", "township"): Kind("乡镇机关", _area(2_000), _person(32)),
    ("school", "kindergarten"): Kind("幼儿园", _area(2_600, 0.4), _person(9)),
    ("school", "primary"): Kind("小学", _area(5_500), _person(9)),
    ("school", "secondary"): Kind("中学", _area(14_000), _person(12)),
    ("school", "vocational"): Kind("职业学校", _area(24_000), _person(15)),
    ("school", "university"): Kind("大学", _area(110_000, 0.4), _person(22)),
    ("hospital", "grade_1"): Kind("卫生院", _area(4_500), _person(30), 75),
    ("hospital", "grade_2"): Kind("人民医院", _area(26_000), _person(26), 65),
    ("hospital", "grade_3"): Kind("中心医院", _area(90_000, 0.4), _person(24), 60),
    ("venue", "library"): Kind("图书馆", _area(6_000), _person(28)),
    ("venue", "museum"): Kind("博物馆", _area(8_000), _person(40)),
    ("venue", "gymnasium"): Kind("体育馆", _area(12_000), _person(40)),
    ("venue", "culture_centre"): Kind("文化馆", _area(4_500), _person(30)),
    ("other", "service_centre"): Kind("服务中心", _area(3_000), _person(28)),
    ("other", "research"): Kind("研究所", _area(5_000), _person(34)),
    ("other", "station"): Kind("站所", _area(1_200), _person(30)),
}
