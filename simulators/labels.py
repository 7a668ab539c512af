"""Words on pictures: English, and Chinese beside it where a font of this machine can draw it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from matplotlib import font_manager, ft2font, rcParams

CHINESE_FONTS: Final = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Droid Sans Fallback", "Noto Sans CJK JP",
)  # fmt: skip
"""Fonts that hold simplified characters, the ones looked for."""
PROBE: Final = "电表用水办公空调温度漏充"

Words = Callable[[str, str], str]


def words() -> Words:
    """How to label in English and Chinese; sets the fonts. Without a Chinese font English alone, never empty boxes."""
    font = chinese_font()
    rcParams["font.family"] = ["DejaVu Sans", *([font] if font else [])]
    return (lambda english, chinese: f"{english}  {chinese}") if font else (lambda english, _: english)


def chinese_font() -> str | None:
    """The first of the known fonts that is installed and holds the characters."""
    _notice_new_fonts()
    installed = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed and _holds(installed[name])), None)


def _notice_new_fonts() -> None:
    """matplotlib keeps a list of fonts and misses what was installed since."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in set(font_manager.findSystemFonts()) - known:
        with suppress(OSError, RuntimeError):  # no font it can read
            font_manager.fontManager.addfont(path)


def _holds(path: str) -> bool:
    characters = ft2font.FT2Font(path).get_charmap()
    return all(ord(character) in characters for character in PROBE)
