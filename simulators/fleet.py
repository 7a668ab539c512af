"""All institutions, in the mix of a real city: a pure function of size, seed and month."""

from dataclasses import dataclass
from random import Random
from typing import Final

from simulators import quotas, site
from simulators.month import Month
from simulators.site import Identity, Institution

CITY_MIX: Final = {"government": 1_035, "school": 577, "hospital": 112, "venue": 25}
"""Institutions by class in the published register of a real city; its 39 others are left out."""

REGIONS: Final = {"XN-A": "示例市城东区", "XN-B": "示例市城西区", "XN-C": "示例市湖滨县", "XN-D": "示例市山前县"}
CLIMATE_ZONE: Final = "hot_summer_cold_winter"
MOST_INSTITUTIONS: Final = 9_999


@dataclass(frozen=True, slots=True)
class Kind:
    """What institutions of a class look like: sub-classes with a name each, floor area, and area a person has."""

    names: dict[str, str]
    floor_area_m2: tuple[int, int]
    m2_a_person: tuple[int, int]
    m2_a_bed: int = 0


KINDS: Final = {
    "government": Kind({"city": "市级机关", "county": "县级机关"}, (1_500, 14_000), (18, 40)),
    "school": Kind({"primary": "小学", "secondary": "中学", "vocational": "职业学校"}, (4_000, 26_000), (7, 14)),
    "hospital": Kind({"grade_1": "卫生院", "grade_2": "人民医院", "grade_3": "中心医院"}, (6_000, 70_000), (22, 40), 60),
    "venue": Kind({"library": "图书馆", "museum": "博物馆", "gymnasium": "体育馆"}, (3_000, 24_000), (45, 90)),
}
HEATING_TYPES: Final = ("air_conditioning", "gas", "")


@dataclass(frozen=True, slots=True)
class Fleet:
    """The institutions of one simulated month."""

    seed: int
    month: Month
    institutions: tuple[Institution, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The institutions' codes."""
        return tuple(each.identity.code for each in self.institutions)


def build(count: int, seed: int, month: Month) -> Fleet:
    """The fleet; the same three arguments always give the same one."""
    if not 1 <= count <= MOST_INSTITUTIONS:
        raise ValueError(f"{count} institutions cannot be simulated: give a number from 1 to {MOST_INSTITUTIONS}")
    rng = Random(f"fleet/{seed}")
    classes, uses = _classes(count, rng), quotas.uses(count, rng)
    built = (
        _institution(number, institution_class, use, seed, month)
        for number, (institution_class, use) in enumerate(zip(classes, uses, strict=True), start=1)
    )
    return Fleet(seed, month, tuple(built))


def _classes(count: int, rng: Random) -> list[str]:
    """The class of every institution: the city's mix by largest remainder, shuffled."""
    whole = sum(CITY_MIX.values())
    counts = {name: count * size // whole for name, size in CITY_MIX.items()}
    by_remainder = sorted(CITY_MIX, key=lambda name: count * CITY_MIX[name] % whole, reverse=True)
    for name in by_remainder[: count - sum(counts.values())]:
        counts[name] += 1
    classes = [name for name, size in counts.items() for _ in range(size)]
    rng.shuffle(classes)
    return classes


def _institution(number: int, institution_class: str, use: quotas.Use, seed: int, month: Month) -> Institution:
    rng = Random(f"institution/{seed}/{number}")
    return site.build(_identity(number, institution_class, rng), use, month, rng)


def _identity(number: int, institution_class: str, rng: Random) -> Identity:
    kind = KINDS[institution_class]
    sub_class, word = rng.choice(list(kind.names.items()))
    region = rng.choice(list(REGIONS))
    area = rng.randint(*kind.floor_area_m2)
    return Identity(
        number=number,
        code=f"XN-{number:04d}",
        name=f"示例{word}{number:04d}",
        region=region,
        institution_class=institution_class,
        sub_class=sub_class,
        heating_type=rng.choice(HEATING_TYPES),
        floor_area_m2=area,
        people=max(10, area // rng.randint(*kind.m2_a_person)),
        beds=area // kind.m2_a_bed if kind.m2_a_bed else 0,
    )
