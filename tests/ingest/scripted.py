"""A source with the data that a test sets: a `DataSourceConnector` over a dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa

from mdp_dagster.connectors.base import (
    AccountFailure,
    Amount,
    Column,
    ColumnType,
    DataSourceConnector,
    DayReport,
    NotAnswered,
    PlatformAccount,
)
from mdp_dagster.connectors.errors import ConnectorError
from mdp_dagster.ingest.watched_reports import DetailReport, WatchedReports
from mdp_dagster.window import DateWindow

AMOUNTS = {"spend": Amount("spend", is_money=True), "conversions": Amount("value"), "clicks": Amount("clicks")}

REPORT = DayReport(
    source="scripted",
    name="campaign_daily",
    description="A test's report.",
    grain="account × day × campaign",
    key=("campaign_id", "day"),
    day_column="day",
    lookback_days=28,
    history_months=37,
    columns=(
        Column("day", ColumnType.STRING, "The day."),
        Column("campaign_id", ColumnType.STRING, "The campaign."),
        Column("clicks", ColumnType.INTEGER_TEXT, "Clicks."),
        Column("spend", ColumnType.DECIMAL_TEXT, "Spend."),
        Column("value", ColumnType.DOUBLE, "Value."),
        Column("actions", ColumnType.JSON_TEXT, "Actions."),
    ),
    amounts=AMOUNTS,
    max_days_per_extract=10,
)

DECLARED = replace(
    REPORT,
    columns=(
        *REPORT.columns,
        Column("period_end", ColumnType.STRING, "The last day of the row."),
        Column("owner", ColumnType.INTEGER, "The row's account."),
        Column("currency", ColumnType.STRING, "The currency of the row's money."),
    ),
    period_end_column="period_end",
    account_id_column="owner",
    currency_column="currency",
)
"""The report with declared facts about its rows: the period, the account and the currency."""

TOTALS = DayReport(
    source="scripted",
    name="account_daily",
    description="A test's account totals.",
    grain="account × day",
    key=("day",),
    day_column="day",
    lookback_days=28,
    history_months=37,
    columns=(
        Column("day", ColumnType.STRING, "The day."),
        Column("account_name", ColumnType.STRING, "The account's name."),
        Column("clicks", ColumnType.INTEGER_TEXT, "Clicks."),
        Column("spend", ColumnType.DECIMAL_TEXT, "Spend."),
        Column("value", ColumnType.DOUBLE, "Value."),
        Column("reach", ColumnType.INTEGER_TEXT, "Reach, which no mart shows.", essential=False),
    ),
    amounts=AMOUNTS,
    max_days_per_extract=40,
)

AD_REPORT = replace(REPORT, name="ad_daily", description="A second detail report.")

WATCHED = WatchedReports(TOTALS, (DetailReport(REPORT),))
WATCHED_WITH_ADS = WatchedReports(TOTALS, (DetailReport(REPORT), DetailReport(AD_REPORT)))

Rows = list[dict[str, object]]


def row(day: date | str, campaign: str | None = "c1", **values: object) -> dict[str, object]:
    return {"day": str(day), "campaign_id": campaign, "clicks": "1", "spend": "1.50", "value": 1.0, **values}


class ScriptedConnector(DataSourceConnector):
    """A source that answers from dictionaries.

    ``rows[account]`` is what it has now. ``errors[account]`` is raised instead of an answer, and the days
    ``not_answered[account]`` are not answered.
    """

    source = "scripted"
    reports = (REPORT,)
    time_zone = "Europe/Berlin"

    def __init__(self) -> None:
        self.rows: dict[str, Rows] = {}
        self.errors: dict[str, ConnectorError] = {}
        self.not_answered: dict[str, set[date]] = {}
        self.unlisted: dict[str, ConnectorError] = {}
        self.pulls: list[tuple[str, DateWindow]] = []
        self.looks: list[tuple[str, DateWindow]] = []
        self.lookups: list[str] = []

    def accounts(self, listed: Sequence[str]) -> tuple[list[PlatformAccount], list[AccountFailure]]:
        self.lookups += listed
        failures = [AccountFailure(self.source, a, self.unlisted[a]) for a in listed if a in self.unlisted]
        accounts = [
            PlatformAccount(self.source, a, a, name=f"Account {a}", currency="EUR", time_zone=self.time_zone)
            for a in listed
            if a not in self.unlisted
        ]
        return accounts, failures

    def extract(
        self, report: DayReport, account: PlatformAccount, window: DateWindow
    ) -> Iterator[pa.RecordBatch | NotAnswered]:
        self.pulls.append((account.account_id, window))
        if account.account_id in self.errors:
            raise self.errors[account.account_id]
        wanted = [r for r in self.rows.get(account.account_id, []) if _is_in(r, window)]
        yield pa.RecordBatch.from_pylist(wanted, report.schema)
        yield NotAnswered(frozenset(self.not_answered.get(account.account_id, ())))


class TotalsConnector(ScriptedConnector):
    """It also has the totals: the sums of its rows. ``side`` are the values of the totals' other columns."""

    reports = (TOTALS, REPORT, AD_REPORT)

    def __init__(self) -> None:
        super().__init__()
        self.side: dict[str, object] = {}

    def extract(
        self, report: DayReport, account: PlatformAccount, window: DateWindow
    ) -> Iterator[pa.RecordBatch | NotAnswered]:
        if report is not TOTALS:
            yield from super().extract(report, account, window)
            return
        self.looks.append((account.account_id, window))
        if account.account_id in self.errors:
            raise self.errors[account.account_id]
        sums: dict[str, list[float]] = {}
        for r in self.rows.get(account.account_id, []):
            if _is_in(r, window):
                of_day = sums.setdefault(str(r["day"]), [0.0, 0.0, 0.0])
                for n, name in enumerate(("spend", "value", "clicks")):
                    of_day[n] += float(str(r[name]))
        yield pa.RecordBatch.from_pylist(
            [
                {"day": day, "spend": f"{spend:.2f}", "value": value, "clicks": str(int(clicks)), **self.side}
                for day, (spend, value, clicks) in sums.items()
            ],
            report.schema,
        )
        yield NotAnswered(frozenset(self.not_answered.get(account.account_id, ())))


def _is_in(candidate: dict[str, object], window: DateWindow) -> bool:
    try:
        return date.fromisoformat(str(candidate["day"])) in window
    except ValueError:
        return True  # a row without a valid day is in every answer
