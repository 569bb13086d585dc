"""Days of an answer that are held back, because the account's total contradicts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from mdp_dagster.ingest.amounts import Amounts

_MAX_LISTED = 5


@dataclass(frozen=True)
class HeldDay:
    """A day of an answer that is held back, because it would have replaced good rows.

    Args:
        date: The day.
        before: The amounts of the rows that raw keeps.
        now: The amounts of the rows in the answer.
        total: The amounts of the account's newest total.
        money: The names of the amounts that are money, in the account's currency.
    """

    date: date
    before: Amounts = field(hash=False)
    now: Amounts = field(hash=False)
    total: Amounts = field(hash=False)
    money: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Describes the amount of which the largest share is gone; money before counts, if their shares are equal."""
        name = max(self.total, key=lambda name: (self._lost_share(name), name in self.money))
        before, now, total = (amounts.get(name, 0.0) for amounts in (self.before, self.now, self.total))
        return (
            f"{self.date} ({name} {before:,.2f} before, {now:,.2f} in the answer, {total:,.2f} in the account's total)"
        )

    def _lost_share(self, name: str) -> float:
        before = self.before.get(name, 0.0)
        return (before - self.now.get(name, 0.0)) / before if before > 0 else 0.0


def describe(held: Sequence[HeldDay]) -> str:
    """Returns the failure of an account with held days, for people."""
    listed = "; ".join(map(str, held[:_MAX_LISTED]))
    more = f"; and {len(held) - _MAX_LISTED} more" if len(held) > _MAX_LISTED else ""
    return (
        f"{len(held)} {'day is' if len(held) == 1 else 'days are'} held back, because the answer lost rows or amounts "
        f"that the account's total still includes: {listed}{more} → the earlier rows stay, and the next extract of the "
        "days tries again. If this persists, compare the days with the source's own UI; the answer is in the lake's "
        "refused/"
    )
