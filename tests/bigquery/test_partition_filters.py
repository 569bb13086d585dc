"""The check of partition filters finds every case that it must find, and no other."""

from __future__ import annotations

import pytest

from tests.bigquery.partition_filters import unpruned

TABLES = {"raw.t": "date", "raw.u": "date"}
DAYS = "{c} >= date '2026-01-01' and {c} < date '2026-01-09'"


@pytest.mark.parametrize(
    "sql",
    [
        f"select * from raw.t where {DAYS.format(c='date')}",
        f"select * from `p`.`raw`.`t` as x where x.clicks > 0 and ({DAYS.format(c='x.date')})",
        "select * from raw.t where date = date '2026-01-01'",
        "select * from raw.t where date in (date '2026-01-01', date '2026-01-02')",
        "select * from raw.t where date between date '2026-01-01' and date '2026-01-02'",
        f"select * from raw.t where ({DAYS.format(c='date')}) or (date = '2025-01-01')",
        f"with a as (select * from raw.t where {DAYS.format(c='date')}) select * from a where clicks > 0",
        f"select * from (select * from raw.t where {DAYS.format(c='date')}) as a join "
        f"(select * from raw.u where {DAYS.format(c='date')}) as b on a.date = b.date",
        f"select * from raw.t as a inner join raw.u as b on a.x = b.x and {DAYS.format(c='b.date')} "
        f"where {DAYS.format(c='a.date')}",
        "select * from raw.other",
        f"create or replace table raw.t partition by date as (select * from raw.u where {DAYS.format(c='date')})",
        f"merge into raw.t as d using (select * from raw.u where {DAYS.format(c='date')}) as s on false "
        "when not matched by source and d.date in (date '2026-01-01') then delete "
        "when not matched then insert (date) values (date)",
        f"delete from raw.t where {DAYS.format(c='date')}",
    ],
)
def test_pruned(sql: str) -> None:
    assert unpruned(sql, TABLES) == []


@pytest.mark.parametrize(
    "sql",
    [
        "select * from raw.t",
        "select * from raw.t where date >= date '2026-01-01'",  # an open end, not a window
        "select * from raw.t where date >= @start and date < @end",
        "select * from raw.t where date >= current_date() - 8 and date < current_date()",
        "select * from raw.t where date in (select date from raw.days)",
        "select * from raw.t where date in unnest(days)",
        f"select * from raw.t where {DAYS.format(c='date')} or clicks > 0",
        f"select * from raw.t where {DAYS.format(c='loaded_on')}",
        f"select * from raw.t as a join raw.u as b on a.date = b.date where {DAYS.format(c='b.date')}",
        f"select * from raw.t as a left join raw.u as b on a.x = b.x and {DAYS.format(c='b.date')} "
        f"where {DAYS.format(c='a.date')}",
        f"with a as (select * from raw.t) select * from a where {DAYS.format(c='date')}",
        f"select count(*) from (select * from raw.t where clicks > 0) where {DAYS.format(c='date')}",
        f"merge into raw.t as d using (select * from raw.u where {DAYS.format(c='date')}) as s on false "
        "when not matched by source and d.date in unnest(days) then delete when not matched then insert row",
        "insert into raw.t select * from raw.u",
        "select 1; select * from raw.t",
    ],
)
def test_unpruned(sql: str) -> None:
    assert unpruned(sql, TABLES) != []
