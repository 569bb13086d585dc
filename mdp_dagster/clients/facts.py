"""The facts about an account in the clients file, by the days for which they are valid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mdp_dagster.clients.model import AccountRef, Client, Clients
from mdp_dagster.clients.versions import days_of_change, first_day, valid_on

Entry = tuple[Client, AccountRef]


@dataclass(frozen=True)
class AccountFacts:
    """The facts about an account from a day on, until the next version.

    Args:
        valid_from: The first day; None for the beginning.
        client_id: The client that the account belongs to.
        client_name: The client's name.
        reporting_currency: The currency of the client's reports.
        exchange_rate: Reporting currency for one unit of the account's currency; None if the file has no rate.
        conversion_action_type: Meta's action type that counts as a conversion; None for the usual ones.
        lookback_days: For how many days the source rewrites a day; None for its usual number.
    """

    valid_from: date | None
    client_id: str
    client_name: str
    reporting_currency: str
    exchange_rate: float | None
    conversion_action_type: str | None
    lookback_days: int | None

    @property
    def digest(self) -> str:
        """A digest of the facts without their first day. Days with the same digest were built with the same facts."""
        facts = [
            self.client_id,
            self.client_name,
            self.reporting_currency,
            self.exchange_rate,
            self.conversion_action_type or None,
            self.lookback_days,
        ]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


class ListedAccounts:
    """The clients file's entries for one source, by the listed id."""

    def __init__(self, clients: Clients, source: str) -> None:
        self._clients = clients
        self._source = source
        self._entries: dict[str, list[Entry]] = {}
        for client, ref in clients.refs(source):
            self._entries.setdefault(ref.id, []).append((client, ref))
        for entries in self._entries.values():
            entries.sort(key=lambda entry: first_day(entry[1].valid_from))

    def __contains__(self, listed_id: str) -> bool:
        return listed_id in self._entries

    def clients_of(self, listed_id: str) -> list[str]:
        """Returns the ids of the clients that list the id, each once, in the order of their days."""
        return list(dict.fromkeys(client.id for client, _ in self._entries[listed_id]))

    def options_on(self, listed_id: str, day: date) -> dict[str, str]:
        """Returns the options of a listed account that are valid on a day."""
        return self._entry_on(listed_id, day)[1].options_on(day)

    def facts(self, listed_id: str, currency: str) -> list[AccountFacts]:
        """Returns the facts about an account, in the order of their days; the first are valid from the beginning.

        Args:
            listed_id: The id that the file lists: the account's own, or its manager's.
            currency: The account's currency.
        """
        found: list[AccountFacts] = []
        for day in self._days_of_change(listed_id, currency):
            facts = self._facts_on(listed_id, currency, day)
            if not found or facts.digest != found[-1].digest:
                found.append(facts)
        return found

    def lookbacks(self, listed_id: str, usual: int) -> dict[date, int]:
        """Returns for how many days the source goes on rewriting a day, by the first day that it is valid for."""
        return {
            day: self._facts_on(listed_id, "", day).lookback_days or usual for day in self._days_of_change(listed_id)
        }

    def _days_of_change(self, listed_id: str, currency: str = "") -> Sequence[date]:
        days = {date.min}
        for client, ref in self._entries[listed_id]:
            rates = [
                self._clients.exchange_rates.get(version.value, {}).get(currency, ())
                for version in client.reporting_currency
            ]
            lookbacks = client.lookback_days.get(self._source, ())
            days.add(first_day(ref.valid_from))
            days |= days_of_change(ref.conversion_action_type, client.reporting_currency, lookbacks, *rates)
        return sorted(days)

    def _facts_on(self, listed_id: str, currency: str, day: date) -> AccountFacts:
        client, ref = self._entry_on(listed_id, day)
        reporting = valid_on(client.reporting_currency, day)
        assert reporting is not None  # the file needs one from the beginning
        return AccountFacts(
            valid_from=None if day == date.min else day,
            client_id=client.id,
            client_name=client.name,
            reporting_currency=reporting,
            exchange_rate=self._clients.exchange_rate(reporting, currency, day),
            conversion_action_type=ref.options_on(day).get("conversion_action_type"),
            lookback_days=valid_on(client.lookback_days.get(self._source, ()), day),
        )

    def _entry_on(self, listed_id: str, day: date) -> Entry:
        """Returns the entry that is valid on a day. Days before the first entry have the first one."""
        entries = self._entries[listed_id]
        begun = [entry for entry in entries if first_day(entry[1].valid_from) <= day]
        return begun[-1] if begun else entries[0]


def listed_accounts(clients: Clients) -> Mapping[str, ListedAccounts]:
    """Returns the clients file's entries by source."""
    return {source: ListedAccounts(clients, source) for source in _sources(clients)}


def _sources(clients: Clients) -> Iterator[str]:
    return iter(dict.fromkeys(source for client in clients.clients for source in client.accounts))
