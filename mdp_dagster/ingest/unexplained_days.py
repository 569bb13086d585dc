"""Finds the days that the reconciliation cannot explain, without those that a person accepts."""

from __future__ import annotations

from mdp_dagster.ingest.accepted_differences import NEWEST
from mdp_dagster.ingest.tables import ACCEPTED_DIFFERENCES, EXTRACTS
from mdp_dagster.ingest.watched_reports import ReconciledBy
from mdp_dagster.warehouse.base import Warehouse, in_window
from mdp_dagster.window import DateWindow

# Before all days, to read a table's columns without its rows.
_NO_DAYS = DateWindow.of_days("1900-01-01", "1900-01-01")


def unexplained_days(warehouse: Warehouse, table: ReconciledBy | None, window: DateWindow) -> str:
    """Returns the query for days with a difference, with ``is_unexplained`` and ``acceptance_differs``.

    The parameter ``$source`` is the source. The accepted differences are compared only if the clients file ever had
    any.

    Args:
        warehouse: The warehouse with the table.
        table: The table that compares the days with the totals. The query is empty without it.
        window: The days.
    """
    if table is None or not warehouse.has_table(table.dataset, table.table):
        return f"""
            select account_id, date, false as is_unexplained, false as acceptance_differs
            from {EXTRACTS.id}
            where {in_window(window)} and false
        """
    if not warehouse.query(f"select 1 from {ACCEPTED_DIFFERENCES.id} limit 1").num_rows:
        return f"""
            select distinct
                {table.account_column} as account_id, {table.date_column} as date,
                true as is_unexplained, false as acceptance_differs
            from {table.id}
            where {in_window(window, table.date_column)} and {table.source_column} = $source
                and {table.verdict_column} = '{table.unexplained}'
        """
    # the same condition as in int_account__reconciliation, so that both have the same result
    return f"""
        select
            differing.account_id, differing.date,
            max(
                case when differing.verdict = '{table.unexplained}' and accepted.reason is null then 1 else 0 end
            ) = 1 as is_unexplained,
            max(
                case when differing.accepted_reason is distinct from accepted.reason then 1 else 0 end
            ) = 1 as acceptance_differs
        from (
            select
                {table.account_column} as account_id, {table.date_column} as date, {table.verdict_column} as verdict,
                {table.metric_column} as metric, {table.difference_column} as difference,
                {_accepted_column(warehouse, table)} as accepted_reason
            from {table.id}
            where {in_window(window, table.date_column)} and {table.source_column} = $source
                and {table.verdict_column} in ('{"', '".join(table.acceptable)}')
        ) as differing
        left join ({NEWEST}) as accepted
            on accepted.source = $source and differing.account_id = accepted.account_id
            and differing.metric = accepted.metric
            and differing.date >= accepted.first_day and differing.date <= accepted.last_day
            and abs(differing.difference) <= accepted.up_to * 1.000000001
        group by differing.account_id, differing.date
    """


def _accepted_column(warehouse: Warehouse, table: ReconciledBy) -> str:
    """Returns the column with the reason; null in a table of an earlier version, until it is built again."""
    columns = warehouse.query(f"select * from {table.id} where {in_window(_NO_DAYS, table.date_column)}").column_names
    return table.accepted_column if table.accepted_column in columns else "cast(null as string)"
