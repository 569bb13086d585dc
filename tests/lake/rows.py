"""The rows that the tests write to lakes."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("campaign", pa.string()),
        ("clicks", pa.int64()),
        ("value", pa.float64()),
        ("date", pa.date32()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
ROWS = pa.Table.from_pylist(
    [
        {
            "campaign": f"Größe {n % 7} 👟",
            "clicks": None if n % 5 == 0 else n * n,
            "value": n / 3,
            "date": date(2026, 1, 1 + n % 28),
            "at": datetime(2026, 1, 1, n % 24, tzinfo=timezone.utc),
        }
        for n in range(200)
    ],
    SCHEMA,
)
METADATA = {"kind": "extract", "days": [["2026-01-01", 200, "abc"]], "account": {"name": "Ü"}}


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    """Whether all values and types are equal. Metadata is ignored."""
    return bool(one.replace_schema_metadata(None).equals(other.replace_schema_metadata(None)))
