"""Which part of an institution's electricity a meter counts: four items, fourteen sub-items.

The guideline family for metering public buildings of 2008 (建科〔2008〕114) splits electricity into A to D: high confidence. The
fourteen subdivisions come from one third-party text, not from the guideline itself: medium confidence.
"""

from typing import Final

SUB_ITEMS: Final = {
    "A": ("照明插座用电", "lighting and sockets"),
    "A1": ("室内照明与插座", "indoor lighting and sockets"),
    "A2": ("走廊与应急照明", "corridor and emergency lighting"),
    "A3": ("室外景观照明", "outdoor lighting"),
    "B": ("空调用电", "air conditioning"),
    "B1": ("冷热站", "cooling and heating plant"),
    "B2": ("空调末端", "terminal units"),
    "C": ("动力用电", "power"),
    "C1": ("电梯", "lifts"),
    "C2": ("水泵", "pumps"),
    "C3": ("通风机", "fans"),
    "D": ("特殊用电", "special"),
    "D1": ("信息中心", "information centre, data room"),
    "D2": ("厨房餐厅", "kitchen"),
    "D3": ("洗衣房", "laundry"),
    "D4": ("游泳池", "swimming pool"),
    "D5": ("健身房", "fitness room"),
    "D6": ("其他特殊用电", "other special"),
}
"""Code -> Chinese and English name. A letter alone is the whole item, where nothing finer is known."""

CHARGER: Final = "charger"
PUBLIC_CHARGER: Final = "public_charger"
EXCLUSIONS: Final = (*SUB_ITEMS, CHARGER, PUBLIC_CHARGER)
"""What an indicator may leave out: a sub-item or whole item, all chargers, chargers open to more than the institution's cars."""


def exclusions(text: str) -> tuple[str, ...]:
    """The exclusions of a text such as `D1;charger`, each once, in a fixed order. Raises ValueError for one that does not exist."""
    named = {part.strip() for part in text.split(";")} - {""}
    for name in sorted(named.difference(EXCLUSIONS)):
        raise ValueError(f"unknown exclusion {name!r}: use sub-items ({', '.join(SUB_ITEMS)}), {CHARGER} or {PUBLIC_CHARGER}")
    return tuple(name for name in EXCLUSIONS if name in named)


def excludes(exclusion: str, medium: str, sub_item: str | None, access: str | None) -> bool:
    """Whether an exclusion names a meter by itself; `D` names D1 to D6 too."""
    if exclusion in (CHARGER, PUBLIC_CHARGER):
        return medium == CHARGER and (exclusion == CHARGER or access == "public")
    return sub_item is not None and sub_item.startswith(exclusion)
