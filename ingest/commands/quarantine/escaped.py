"""Foreign bytes and text as a terminal can take them: nothing moves the cursor, rings, or turns the line round. Pure."""

from typing import Final

KEPT: Final = frozenset("\n\t")
"""Control characters a payload may show as they are."""


def escaped(text: str, kept: frozenset[str] = frozenset()) -> str:
    """Text with everything but printable characters as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in kept else _escape(char) for char in text)


def _escape(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def escaped_bytes(content: bytes) -> str:
    """Bytes as text on one line; what is no UTF-8 as \\x escapes."""
    return escaped(content.decode(errors="backslashreplace"))


def text_or_none(content: bytes) -> str | None:
    """The text that bytes are; None where they are no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def hex_dump(content: bytes) -> list[str]:
    """Sixteen bytes a line: position, bytes, and the ASCII among them."""
    return [_hex_line(position, content[position : position + 16]) for position in range(0, len(content), 16)]


def _hex_line(position: int, part: bytes) -> str:
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
    return f"{position:08x}  {part.hex(' '):<47}  |{shown}|"
