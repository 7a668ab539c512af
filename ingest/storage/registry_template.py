"""An empty registry as a workbook: a sheet for each file, its columns explained and formatted so that Excel keeps what is typed."""

from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet
from pydantic.fields import FieldInfo

from ingest.storage.registry_columns import meaning
from ingest.storage.registry_lines import FILES, Line
from ingest.words import translated, words

DATE, NUMBER, TEXT = "yyyy-mm-dd", "General", "@"
LAST_ROW: Final = 1_048_576
COMMENT_POINTS: Final = (260, 90)
"""Width and height of a comment."""


def write_template(path: Path) -> None:
    """Write the workbook, in the language of whoever is here. Raises OSError, FileExistsError where the file is there already."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, model in FILES.items():
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        fields = [field for column, field in model.model_fields.items() if column not in Line.model_fields]
        columns = [field.alias or column for column, field in model.model_fields.items() if column not in Line.model_fields]
        for number, (column, field) in enumerate(zip(columns, fields, strict=True), 1):
            _column(sheet, number, column, field)
    with path.open("xb") as file:
        book.save(file)


def _column(sheet: Worksheet, number: int, column: str, field: FieldInfo) -> None:
    heading = sheet.cell(1, number, column)
    heading.font = Font(bold=field.is_required())
    must = words("Must be filled in.", "必填。") if field.is_required() else words("May be empty.", "可留空。")
    width, height = COMMENT_POINTS
    heading.comment = Comment(f"{translated(meaning(sheet.title, column))}\n{must}", "Meterwarden", height=height, width=width)
    types = set(_types(field.annotation))
    letter = get_column_letter(number)
    sheet.column_dimensions[letter].width = max(12, len(column) + 3)
    sheet.column_dimensions[letter].number_format = DATE if date in types else NUMBER if types & {int, Decimal} else TEXT
    if choices := ["yes", "no"] if bool in types else _choices(field.annotation):
        allowed = DataValidation(type="list", formula1=f'"{",".join(choices)}"', allow_blank=True)
        allowed.add(f"{letter}2:{letter}{LAST_ROW}")
        sheet.add_data_validation(allowed)


def _types(annotation: Any) -> list[Any]:
    return [kind for part in get_args(annotation) for kind in _types(part)] or [annotation]


def _choices(annotation: Any) -> list[str]:
    """What alone may stand there; empty where there is no list."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    return [choice for part in get_args(annotation) for choice in _choices(part)]
