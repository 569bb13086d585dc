"""CSV files with a contract: fixed columns, read from the warehouse in parts, and counted while they are written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO

import pyarrow as pa
import pyarrow.csv as pacsv

from mdp_dagster.delivery.csv_text import header, records
from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.warehouse.base import Warehouse

Batches = Iterable[pa.RecordBatch]


@dataclass(frozen=True)
class CsvFile:
    """A file that is published.

    Args:
        name: The file's name, without its ending. It is also the name of its folder.
        columns: The header. Readers bind to these names and to their order.
        read: Opens the rows in the warehouse. They have exactly these columns.
        currency: The column with the currency of the amounts.
        amounts: The columns that the manifest sums, by currency.
        facts: What the manifest states about the file in addition.
    """

    name: str
    columns: tuple[str, ...]
    read: Callable[[Warehouse], AbstractContextManager[Batches]]
    currency: str
    amounts: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def path(self) -> str:
        """The path of the published file. Its folder has no other file, because a reader reads whole folders."""
        return f"{self.name}/{self.name}.csv"


@dataclass
class Written:
    """The content of a file that was written.

    Attributes:
        rows: The number of records without the header.
        size: The number of bytes.
        sha256: The hash of the bytes.
        sums: By column of an amount and by currency.
    """

    rows: int = 0
    size: int = 0
    sha256: str = ""
    sums: dict[str, dict[str, Decimal]] = field(default_factory=dict)


def write_csv(file: CsvFile, warehouse: Warehouse, out: IO[bytes]) -> Written:
    """Writes the file's rows to an open file, and returns their number, sums and hash.

    Raises:
        DeliveryError: The table does not have the file's columns.
        WarehouseError: The table can't be read.
        OSError: For example a full disk.
    """
    written, digest = Written(sums={name: {} for name in file.amounts}), hashlib.sha256()

    def put(content: bytes) -> None:
        out.write(content)
        digest.update(content)
        written.size += len(content)

    put(header(file.columns))
    with file.read(warehouse) as batches:
        for batch in batches:
            if tuple(batch.schema.names) != file.columns:
                raise DeliveryError(
                    f"{file.name}.csv: the table has the columns {', '.join(batch.schema.names)} instead of "
                    f"{', '.join(file.columns)} → build the model {file.name} again, or correct it"
                )
            if batch.num_rows:
                put(records(batch))
                written.rows += batch.num_rows
                _add_sums(file, batch, written.sums)
    written.sha256 = digest.hexdigest()
    return written


def _add_sums(file: CsvFile, batch: pa.RecordBatch, sums: dict[str, dict[str, Decimal]]) -> None:
    table = pa.Table.from_batches([batch]).select([file.currency, *file.amounts])
    grouped = table.group_by(file.currency).aggregate([(name, "sum") for name in file.amounts])
    for row in grouped.to_pylist():
        for name in file.amounts:
            of_currency = sums[name]
            currency = row[file.currency] or ""
            of_currency[currency] = of_currency.get(currency, Decimal(0)) + (row[f"{name}_sum"] or 0)


def check_stored(file: CsvFile, written: Written, address: str, stored: IO[bytes]) -> None:
    """Reads a stored file again, and compares its bytes and its records with those that were written.

    Raises:
        DeliveryError: They differ.
    """
    digest, size = hashlib.sha256(), 0
    while part := stored.read(1 << 20):
        digest.update(part)
        size += len(part)
    stored.seek(0)
    rows = _record_count(file, address, stored)
    if (size, digest.hexdigest(), rows) != (written.size, written.sha256, written.rows):
        raise DeliveryError(
            f"{address} has {rows} rows and {size} bytes instead of {written.rows} and {written.size} → check the disk "
            "or the bucket; nothing was published, the next run writes the files again"
        )


def _record_count(file: CsvFile, address: str, stored: IO[bytes]) -> int:
    """Returns the number of records, read by a CSV parser. Each has the header's number of fields."""
    first = file.columns[0]
    try:
        with pacsv.open_csv(
            pa.PythonFile(stored, mode="r"),
            read_options=pacsv.ReadOptions(use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(include_columns=[first], column_types={first: pa.string()}),
        ) as reader:
            return sum(batch.num_rows for batch in reader)
    except pa.ArrowException as error:
        raise DeliveryError(f"{address} can't be read as CSV: {error} → report this; nothing was published") from error


def text_of_sums(written: Written) -> dict[str, dict[str, str]]:
    """Returns the sums as text without superfluous zeros, so that JSON keeps them exact."""
    return {
        name: {currency: _plain(value) for currency, value in sorted(by_currency.items())}
        for name, by_currency in written.sums.items()
    }


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def months_of(column: str) -> str:
    """The SQL for the first day of a day's month, valid on every engine."""
    year, month = (f"cast(extract({part} from {column}) as string)" for part in ("year", "month"))
    return f"cast(concat({year}, '-', lpad({month}, 2, '0'), '-01') as date)"
