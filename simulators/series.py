"""A file of series, CSV or Parquet -> its rows, one after another: memory holds a row, or a part of a row group."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

Cells = Sequence[object]
PARQUET_ROWS: Final = 512
PARQUET_SUFFIXES: Final = (".parquet", ".pq")
NO_PYARROW: Final = "Parquet needs pyarrow: pip install 'meterwarden[simulator]'"


class SeriesFault(Exception):  # noqa: N818 - a verdict on a file, not a fault of the program
    """A file cannot be replayed; the text names the file, the line where there is one, and what to do."""


@dataclass(frozen=True, slots=True)
class Series:
    """A file of series, and how to read it; `limit` is the most rows, None for all."""

    path: Path
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    limit: int | None = None

    def columns(self) -> list[str]:
        """The names of the columns. Raises SeriesFault."""
        names = self._parquet_columns() if self.is_parquet else self._csv_columns()
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SeriesFault(f"{self.path}:1: column {twice[0]!r} stands there twice; rename one")
        return names

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[int, Cells | None]]:
        """The line (of a Parquet file the row, from 1) and the cells of `columns`, None where a line has not one for each.

        Raises SeriesFault.
        """
        return islice(self._parquet_rows(columns) if self.is_parquet else self._csv_rows(columns), self.limit)

    @property
    def is_parquet(self) -> bool:
        """By the file's name."""
        return self.path.suffix.lower() in PARQUET_SUFFIXES

    def _csv_columns(self) -> list[str]:
        with self._csv() as lines:
            return [name.strip() for name in next(lines, [])]

    def _csv_rows(self, columns: Sequence[str]) -> Iterator[tuple[int, Cells | None]]:
        with self._csv() as lines:
            header = [name.strip() for name in next(lines, [])]
            places = [header.index(name) for name in columns]
            for cells in lines:
                if cells:
                    yield lines.line_num, [cells[place] for place in places] if len(cells) == len(header) else None

    @contextmanager
    def _csv(self) -> Iterator[Any]:
        lines: Any = None
        try:
            with self.path.open(encoding=self.encoding, newline="") as file:
                lines = csv.reader(file, delimiter=self.delimiter, strict=True)
                yield lines
        except OSError as error:
            raise SeriesFault(f"cannot read {self.path}: {error.strerror}; check the name") from error
        except UnicodeDecodeError as error:
            where = f"{self.path}, after line {lines.line_num}"
            raise SeriesFault(f"{where}: not {self.encoding}; name the right one with --encoding, such as gb18030") from error
        except csv.Error as error:
            raise SeriesFault(f"{self.path}:{lines.line_num}: {error}; is it a CSV file? See --delimiter") from error

    def _parquet_columns(self) -> list[str]:
        with self._parquet() as file:
            return list(file.schema_arrow.names)

    def _parquet_rows(self, columns: Sequence[str]) -> Iterator[tuple[int, Cells | None]]:
        with self._parquet() as file:
            first = 1
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=list(columns)):
                found = [_python(batch.column(name)) for name in columns]
                yield from enumerate(zip(*found, strict=True), start=first)
                first += batch.num_rows

    @contextmanager
    def _parquet(self) -> Iterator[Any]:
        try:
            import pyarrow as pa  # type: ignore[import-untyped]
            from pyarrow import parquet
        except ImportError as error:
            raise SeriesFault(f"{self.path}: {NO_PYARROW}") from error
        try:
            with parquet.ParquetFile(self.path) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            text = f"{self.path}: {str(error).splitlines()[0]}; is it a whole Parquet file?"
            raise SeriesFault(text) from error


def _python(column: Any) -> list[object]:
    """Python's own values; of nanoseconds only whole microseconds, which is all it can say."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    values: list[object] = column.to_pylist()
    return values
