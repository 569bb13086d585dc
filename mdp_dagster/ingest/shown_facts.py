"""Finds days that a mart shows with other facts about their account than those that are valid for them now.

A fact may change for the whole history: then the marts have to be built again, but nothing has to be extracted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from mdp_dagster.ingest.tables import ACCOUNTS
from mdp_dagster.ingest.watched_reports import ShownBy
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# Before all days, to read a table's columns without its rows.
_NO_DAYS = DateWindow.of_days("1900-01-01", "1900-01-01")


@dataclass(frozen=True)
class DifferingDays:
    """Days of one account, in one range of valid facts, that the mart shows with the same other facts.

    Args:
        account_id: The account.
        first: The first of these days.
        last: The last of these days. Days in between may be built with the valid facts.
        days: How many days they are.
        shown: The digest of the facts that the days were built with; None if it is not known.
        valid: The digest of the facts that are valid.
        changes_maturity: Whether a fact differs that decides which of the account's days are final, or what counts as
            a conversion. Then the days after them have another completeness, too.
    """

    account_id: str
    first: date
    last: date
    days: int
    shown: str | None
    valid: str | None
    changes_maturity: bool = False

    @property
    def window(self) -> DateWindow:
        """The days from the first to the last."""
        return DateWindow.of_days(self.first, self.last)

    def to_build(self, measured_days: int, days: DateWindow) -> DateWindow:
        """Returns the days that must be built with the valid facts.

        Args:
            measured_days: On how many days before it the completeness of a day is measured.
            days: All days that MDP has.
        """
        if not self.changes_maturity:
            return self.window
        return DateWindow.of_days(self.first, max(self.last, min(self.last + timedelta(days=measured_days), days.last)))


def days_with_other_facts(warehouse: Warehouse, source: str, mart: ShownBy, days: DateWindow) -> list[DifferingDays]:
    """Returns the days that the mart shows with other facts, by account.

    Reads the mart only if the facts of an account have ever changed, and then only four columns.

    Args:
        warehouse: The warehouse with the registry and the marts.
        source: The source of the accounts.
        mart: The mart.
        days: The days to compare, for example all days that MDP has.
    """
    if not mart.facts_column or not _facts_ever_changed(warehouse, source):
        return []
    if not warehouse.has_table(mart.dataset, mart.table):
        return []
    rows = warehouse.query(
        f"""
        with facts as ({_VALID_FACTS}),
        changed as ({_CHANGED_ACCOUNTS}),
        registered as (
            select account_id, facts_digest, max(conversion_action_type) as type, max(lookback_days) as lookback
            from {ACCOUNTS.id}
            where source = $source
            group by account_id, facts_digest
        ),
        shown as (
            {_shown_digests(warehouse, mart, days)}
        )
        select
            shown.account_id, min(shown.date) as first, max(shown.date) as last, count(*) as days,
            shown.facts_digest as shown, facts.facts_digest as valid,
            max(
                case
                    when built_with.account_id is null
                        or built_with.type is distinct from valid.type
                        or built_with.lookback is distinct from valid.lookback
                        then 1
                    else 0
                end
            ) = 1 as changes_maturity
        from shown
        inner join facts on shown.account_id = facts.account_id
            and shown.date >= facts.valid_from and shown.date < facts.valid_until
        left join registered as built_with
            on shown.account_id = built_with.account_id and shown.facts_digest = built_with.facts_digest
        left join registered as valid
            on facts.account_id = valid.account_id and facts.facts_digest = valid.facts_digest
        where shown.facts_digest is distinct from facts.facts_digest
        group by shown.account_id, facts.valid_from, shown.facts_digest, facts.facts_digest
        order by shown.account_id, first
        """,
        {"source": source},
    ).to_pylist()
    return [DifferingDays(**row) for row in rows]


def _shown_digests(warehouse: Warehouse, mart: ShownBy, days: DateWindow) -> str:
    """Returns the query for the digests that the changed accounts' days are shown with.

    Days that the source emptied are only in the table with the changes. Its rows of an earlier version do not have a
    digest; they are left out, because nearly all of their days are in the mart, too.
    """
    tables = [(mart, digest_column(warehouse, mart))]
    changes = replace(mart, table=mart.changes_table)
    if mart.changes_table and warehouse.has_table(changes.dataset, changes.table):
        tables.append((changes, digest_column(warehouse, changes)))
    return " union distinct ".join(
        f"""
            select
                mart.{table.account_column} as account_id, mart.{table.date_column} as date, {digest} as facts_digest
            from {table.id} as mart
            inner join changed on mart.{table.account_column} = changed.account_id
            where {in_window(days, f"mart.{table.date_column}")} and mart.{table.source_column} = $source
                {f"and {digest} is not null" if table is changes else ""}
            group by 1, 2, 3
        """
        for table, digest in tables
    )


def digest_column(warehouse: Warehouse, mart: ShownBy) -> str:
    """Returns the mart's column with the digest of the facts, as SQL.

    It is null in a table of an earlier version: the table gets the column when it is built again.
    """
    columns = warehouse.query(f"select * from {mart.id} where {in_window(_NO_DAYS, mart.date_column)}").column_names
    return mart.facts_column if mart.facts_column in columns else "cast(null as string)"


def _facts_ever_changed(warehouse: Warehouse, source: str) -> bool:
    return bool(warehouse.query(f"{_CHANGED_ACCOUNTS} limit 1", {"source": source}).num_rows)


# An account with one digest, for all days and since its first registration, can't be shown with another one.
_CHANGED_ACCOUNTS = f"""
    select account_id
    from {ACCOUNTS.id}
    where source = $source
    group by account_id
    having count(distinct coalesce(facts_digest, '')) > 1
"""

# The same ranges of days as dbt's accounts_by_day (dbt/macros/raw/accounts.sql).
_VALID_FACTS = f"""
    select
        account_id, facts_digest,
        case when row_number() over in_order > 1 then valid_from else date '0001-01-01' end as valid_from,
        coalesce(lead(valid_from) over in_order, date '9999-12-31') as valid_until
    from (
        select *
        from {ACCOUNTS.id}
        where source = $source
        qualify rank() over (
            partition by account_id order by ingested_at desc, extract_run_id desc
        ) = 1
        and row_number() over (
            partition by account_id, valid_from order by ingested_at desc, extract_run_id desc
        ) = 1
    ) as newest
    window in_order as (partition by account_id order by coalesce(valid_from, date '0001-01-01'))
"""
