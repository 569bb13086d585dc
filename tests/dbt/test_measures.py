"""From the platforms' answers to the marts: link clicks, and conversions by the day on which they happen."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsStreamResponse
from google.protobuf import json_format

from mdp_dagster.connectors import google_ads, meta_ads
from mdp_dagster.connectors.base import DayReport, PlatformAccount
from mdp_dagster.connectors.google_ads.rows import RowGatherer as GoogleRows
from mdp_dagster.connectors.google_ads.search_stream import Answer
from mdp_dagster.connectors.meta_ads.rows import RowGatherer as MetaRows
from mdp_dagster.ingest.row_validation import validate
from mdp_dagster.warehouse.duckdb import DuckDBWarehouse
from mdp_dagster.window import DateWindow

from .support import MONTH, RAW_TABLES, Dbt, Row, Warehouse, account, outcomes, went_wrong

# On the 3rd the campaign was shown and clicked, on the 4th it was paused: then a click of the 3rd led to a purchase.
GOOGLE_ANSWER = """{
  "results": [
    {
      "customer": {"resourceName": "customers/4123087751", "id": "4123087751", "descriptiveName": "Nordlicht",
        "currencyCode": "EUR", "timeZone": "Europe/Berlin"},
      "campaign": {"resourceName": "customers/4123087751/campaigns/20111222333", "id": "20111222333",
        "status": "PAUSED", "advertisingChannelType": "SEARCH"},
      "segments": {"date": "2026-01-03"},
      "metrics": {"impressions": "1200", "clicks": "48", "costMicros": "31250000", "conversions": 2.5,
        "conversionsValue": 180.4, "allConversions": 4, "conversionsByConversionDate": 1.5,
        "conversionsValueByConversionDate": 99.9}
    },
    {
      "customer": {"resourceName": "customers/4123087751", "id": "4123087751", "descriptiveName": "Nordlicht",
        "currencyCode": "EUR", "timeZone": "Europe/Berlin"},
      "campaign": {"resourceName": "customers/4123087751/campaigns/20111222333", "id": "20111222333",
        "status": "PAUSED", "advertisingChannelType": "SEARCH"},
      "segments": {"date": "2026-01-04"},
      "metrics": {"impressions": "0", "clicks": "0", "costMicros": "0", "conversions": 0, "conversionsValue": 0,
        "allConversions": 0, "conversionsByConversionDate": 1, "conversionsValueByConversionDate": 80.5}
    }
  ],
  "fieldMask": "customer.id,campaign.id,segments.date,metrics.impressions"
}"""
META_ANSWER = """{
  "data": [
    {"account_id": "301400000000101", "account_name": "Nordlicht", "account_currency": "EUR",
      "campaign_id": "120210000000000001", "campaign_name": "", "objective": "OUTCOME_SALES",
      "impressions": "5000", "clicks": "130", "spend": "42.17", "reach": "3911", "inline_link_clicks": "88",
      "actions": [
        {"action_type": "link_click", "value": "88"}, {"action_type": "post_engagement", "value": "101"},
        {"action_type": "omni_purchase", "value": "3"}, {"action_type": "purchase", "value": "3"},
        {"action_type": "offsite_conversion.fb_pixel_purchase", "value": "3"}],
      "action_values": [
        {"action_type": "omni_purchase", "value": "240.9"}, {"action_type": "purchase", "value": "240.9"},
        {"action_type": "offsite_conversion.fb_pixel_purchase", "value": "240.9"}],
      "date_start": "2026-01-03", "date_stop": "2026-01-03"},
    {"account_id": "301400000000101", "account_name": "Nordlicht", "account_currency": "EUR",
      "campaign_id": "120210000000000001", "campaign_name": "", "objective": "OUTCOME_SALES",
      "impressions": "1", "clicks": "2", "spend": "0", "reach": "1",
      "actions": [
        {"action_type": "omni_purchase", "value": "5"}, {"action_type": "purchase", "value": "5"},
        {"action_type": "offsite_conversion.fb_pixel_purchase", "value": "5"}],
      "action_values": [
        {"action_type": "omni_purchase", "value": "75"}, {"action_type": "purchase", "value": "75"},
        {"action_type": "offsite_conversion.fb_pixel_purchase", "value": "75"}],
      "date_start": "2026-01-04", "date_stop": "2026-01-04"}
  ],
  "paging": {"cursors": {"before": "MAZDZD", "after": "MQZDZD"}}
}"""
GOOGLE_ACCOUNT = PlatformAccount("google_ads", "4123087751", "4123087751", "Nordlicht", "EUR", "Europe/Berlin")
META_ACCOUNT = PlatformAccount("meta_ads", "301400000000101", "301400000000101", "Nordlicht", "EUR", "Europe/Berlin")
WINDOW = DateWindow.of_days("2026-01-01", "2026-01-31")


def google_answers(report: DayReport) -> list[Row]:
    message = json_format.Parse(GOOGLE_ANSWER, SearchGoogleAdsStreamResponse.pb()())
    rows = GoogleRows(report)
    rows.add(Answer(message.SerializeToString(), type(message)))
    return valid(report, rows, GOOGLE_ACCOUNT)


def meta_answers(report: DayReport) -> list[Row]:
    rows = MetaRows(report, META_ACCOUNT, {})
    rows.add(json.loads(META_ANSWER)["data"])
    return valid(report, rows, META_ACCOUNT)


def valid(report: DayReport, gathered: Any, of: PlatformAccount) -> list[Row]:
    rows, rejects = validate(report, pa.Table.from_batches(gathered.batches()), WINDOW, of)
    assert rejects == []
    return rows.drop_columns(["date"]).to_pylist()


def load(warehouse: Warehouse, run: str = "r1", at: str = "2026-01-06 06:00:00") -> None:
    """Both answers, as the rows of campaigns and as the account's totals."""
    for reports, of, answers in (
        (google_ads.REPORTS, GOOGLE_ACCOUNT, google_answers),
        (meta_ads.REPORTS, META_ACCOUNT, meta_answers),
    ):
        warehouse.insert("raw__accounts", [account(of.source, of.account_id, "EUR", 1.0)])
        for report in reports:
            for row in answers(report):
                day = row[report.day_column]
                warehouse.extract(of.source, run, at, of.account_id, day, [row], report=report.name)


def test_the_answers_of_both_platforms_become_comparable_measures(dbt: Dbt, warehouse: Warehouse) -> None:
    load(warehouse)
    result = dbt.build(MONTH)
    assert not went_wrong(result) and not outcomes(result, "warn")
    found = warehouse.query(
        """
        select date::varchar as date, platform, campaign_name, clicks, clicks_all, link_clicks, spend, conversions,
            conversions_by_conversion_date as by_date, conversion_value_by_conversion_date as value_by_date,
            conversion_dating, conversion_rate, ctr, has_invalid_values
        from mdp_marts.mart_campaign__daily order by platform, date
        """
    )
    google = {
        "platform": "google_ads",
        "campaign_name": None,
        "conversion_dating": "click",
        "has_invalid_values": False,
    }
    meta = {**google, "platform": "meta_ads", "conversion_dating": "conversion"}
    clicked = {"date": "2026-01-03"}
    silent = {"date": "2026-01-04", "spend": 0}
    assert found == [
        google | clicked | {"clicks": 48, "clicks_all": 48, "link_clicks": 48, "spend": Decimal("31.25"),
            "conversions": Decimal("2.5"), "by_date": Decimal("1.5"), "value_by_date": Decimal("99.9"),
            "conversion_rate": 2.5 / 48, "ctr": 48 / 1200},
        google | silent | {"clicks": 0, "clicks_all": 0, "link_clicks": 0, "conversions": 0, "by_date": 1,
            "value_by_date": Decimal("80.5"), "conversion_rate": None, "ctr": None},
        meta | clicked | {"clicks": 130, "clicks_all": 130, "link_clicks": 88, "spend": Decimal("42.17"),
            "conversions": 3, "by_date": 3, "value_by_date": Decimal("240.9"), "conversion_rate": 3 / 88,
            "ctr": 88 / 5000},
        # more clicks than impressions: the impressions were the day before
        meta | silent | {"clicks": 2, "clicks_all": 2, "link_clicks": 0, "conversions": 5, "by_date": 5,
            "value_by_date": 75, "conversion_rate": None, "ctr": 0.0},
    ]  # fmt: skip
    sold = warehouse.query(
        """
        select date::varchar as date, sum(conversions_by_conversion_date) as conversions,
            sum(conversion_value_by_conversion_date) as value
        from mdp_marts.mart_client__daily where client_id = 'acme' group by date order by date
        """
    )
    assert sold == [
        {"date": "2026-01-03", "conversions": Decimal("4.5"), "value": Decimal("340.8")},
        {"date": "2026-01-04", "conversions": 6, "value": Decimal("155.5")},
    ]


def test_a_warehouse_from_before_the_columns_gets_them_with_the_next_extract(dbt: Dbt, warehouse: Warehouse) -> None:
    added = ("metrics_conversions_by_conversion_date", "metrics_conversions_value_by_conversion_date")
    load(warehouse)
    for report in google_ads.REPORTS:
        for column in added:
            warehouse.query(f"alter table mdp_raw.{report.table} drop column {column}")
    DuckDBWarehouse(warehouse.path).prepare(RAW_TABLES)
    assert not went_wrong(dbt.build(MONTH))
    measures = """
        select conversions, link_clicks, conversions_by_conversion_date as by_date from mdp_marts.mart_client__daily
        where platform = 'google_ads' order by date
    """
    assert warehouse.query(measures) == [
        {"conversions": Decimal("2.5"), "link_clicks": 48, "by_date": None},
        {"conversions": 0, "link_clicks": 0, "by_date": None},
    ]
    load(warehouse, "r2", "2026-01-07 06:00:00")
    assert not went_wrong(dbt.build(MONTH))
    assert [row["by_date"] for row in warehouse.query(measures)] == [Decimal("1.5"), 1]
    restated = warehouse.query("select distinct metric from mdp_marts.mart_campaign__restatements")
    assert restated == [], "a new column is not a change of the past"
