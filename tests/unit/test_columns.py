"""Tables and paragraphs fit their terminal, whatever characters are in them."""

import pytest

from ingest.commands.columns import fitted, table, width, wrapped


def test_wide_characters_count_two_columns() -> None:
    """Columns stand under each other whatever is in them, within the terminal."""
    rows = [["E1", "咸宁市第一中学", "a"], ["SCHOOL-1", "x", "校核发现" * 20]]
    lines = list(table(["ID", "NAME", "说明"], rows, total=60))

    assert 1 == len({width(line[: line.index(part)]) for line, part in zip(lines, ["NAME", "咸", "x"], strict=True)})
    assert all(width(line) <= 60 for line in lines)
    assert lines[2].endswith("…")


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_a_table_fits_its_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The widest columns give way; where a program reads it, nothing is cut."""
    heading, rows = ["FINDING", "WHERE", "AUTHOR", "BECAUSE"], [["a" * 12, "机构/electricity/" * 3, "李雷@host", "校核" * 30]]

    assert all(width(line) <= columns for line in table(heading, rows, total=columns, loose=2))
    monkeypatch.setenv("COLUMNS", str(columns))
    assert all(width(line) <= columns for line in table(heading, rows, loose=2))
    monkeypatch.delenv("COLUMNS")
    assert [rows[0][3]] == [line.split("  ")[-1] for line in table(heading, rows)][1:]


@pytest.mark.parametrize("columns", [20, 33, 80])
def test_paragraphs_are_broken_where_a_terminal_would(columns: int) -> None:
    """No line is wider; nothing is lost; no line begins with a mark."""
    text = "将 MQTT 表计读数写入 TimescaleDB,不丢不重;计算用量;标出超定额的公共机构。Meter readings in, none lost, none doubled."
    lines = wrapped(text, columns)

    assert all(width(line) <= columns for line in lines)
    assert text.replace(" ", "") == "".join(lines).replace(" ", "")
    assert not any(line[0] in ",。;" for line in lines)
    assert [""] == wrapped("", columns)


def test_a_cell_is_cut_at_a_whole_character() -> None:
    """Half a Chinese character is none."""
    assert ("咸宁… ", 6) == (fitted("咸宁市第一", 6), width(fitted("咸宁市第一", 6)))
