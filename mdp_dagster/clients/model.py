"""The clients: their accounts by source, their targets, the exchange rates. `file.py` reads them from a file."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mdp_dagster.clients.versions import AS_VERSIONS, AS_VERSIONS_FROM_THE_BEGINNING, FromDay, Version, valid_on

# With fewer impressions or clicks, a rate shows chance rather than the campaign.
MIN_IMPRESSIONS = 1_000
MIN_CLICKS = 100
_MOST_ID_CHARACTERS = 100
_MOST_NAME_CHARACTERS = 200
_MOST_REASON_CHARACTERS = 1_000
_MOST_RECIPIENTS = 50
_MAIL_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}", re.ASCII
)
MAX_LOOKBACK_DAYS = 1_000
"""The ad platforms keep daily data for 37 months, which is more."""


def _account_id(value: Any) -> str:
    """An account id as text. Its source gives its form: `file.py` checks it."""
    if not _is_scalar(value) or not str(value).strip():
        raise ValueError(f"{_shown(value)} is not a valid account id → write the id of one account")
    if len(str(value)) > _MOST_ID_CHARACTERS:
        raise ValueError(
            f"{_shown(value)} has more than {_MOST_ID_CHARACTERS} characters → write the id of one account"
        )
    return str(value).strip()


def _account(value: Any) -> Any:
    return {"id": value} if _is_scalar(value) else value


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int))


def _shown(value: Any) -> str:
    return reprlib.repr(value) if _is_scalar(value) else f"a {type(value).__name__}"


def _is_empty(value: Any) -> bool:
    """True for a key without a value, for example because all lines below it are comments."""
    return value is None or (isinstance(value, str) and value in ("", "null", "~"))


def _currency(value: Any) -> str:
    text = str(value).strip().upper() if _is_scalar(value) else ""
    if len(text) != 3 or not (text.isascii() and text.isalpha()):
        raise ValueError(f"{_shown(value)} is not a valid ISO 4217 currency code → write three letters, as in EUR")
    return text


def _action_type(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MOST_NAME_CHARACTERS:
        raise ValueError(
            f"{reprlib.repr(value)} has more than {_MOST_NAME_CHARACTERS} characters → write one action type, as in "
            "omni_purchase"
        )
    return None if _is_empty(value) else value


def _each_currency_once(value: Any) -> Any:
    codes = [str(code).strip().upper() for code in value] if isinstance(value, dict) else []
    if len(set(codes)) < len(codes):
        twice = next(code for code in codes if codes.count(code) > 1)
        raise ValueError(f"{twice} is there twice, in capital and in small letters → keep one")
    return value


def _some_days(value: int) -> int:
    if not 1 <= value <= MAX_LOOKBACK_DAYS:
        raise ValueError(
            f"{value} is not a valid number of days to look back → write 1 to {MAX_LOOKBACK_DAYS}, as in 30"
        )
    return value


def _some_text(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("it is empty → write why the difference is accepted")
    return value.strip() if isinstance(value, str) else value


def _mail_address(value: Any) -> Any:
    """An address in ASCII, so that every mail server takes it."""
    if not isinstance(value, str) or not _MAIL_ADDRESS.fullmatch(value.strip()):
        raise ValueError(f"{_shown(value)} is not a valid email address → write one such as name@example.com")
    return value.strip()


def _mail_addresses(value: Any) -> Any:
    if _is_empty(value):
        return []
    addresses = [value] if isinstance(value, str) else value
    if isinstance(addresses, list) and len(addresses) > _MOST_RECIPIENTS:
        raise ValueError(f"it has more than {_MOST_RECIPIENTS} addresses → write the address of a mailing list")
    return addresses


AccountId = Annotated[str, BeforeValidator(_account_id)]
Currency = Annotated[str, BeforeValidator(_currency)]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, AfterValidator(_some_days)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Lookbacks = Annotated[tuple[Version[Days], ...], AS_VERSIONS]
Rates = Annotated[tuple[Version[Positive], ...], AS_VERSIONS_FROM_THE_BEGINNING]
OnceEach = BeforeValidator(_each_currency_once)
OrNoText = BeforeValidator(lambda value: "" if value is None else value)
OrNoList = BeforeValidator(lambda value: [] if _is_empty(value) else value)
OrNoMapping = BeforeValidator(lambda value: {} if _is_empty(value) else value)
MailAddresses = Annotated[tuple[Annotated[str, BeforeValidator(_mail_address)], ...], BeforeValidator(_mail_addresses)]
ActionTypes = Annotated[tuple[Version[Annotated[str | None, BeforeValidator(_action_type)]], ...], AS_VERSIONS]
Currencies = Annotated[tuple[Version[Currency], ...], AS_VERSIONS_FROM_THE_BEGINNING]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class AccountRef(_Strict):
    """An account as the file lists it. A manager account means all accounts under it.

    ``valid_from``: the first day on which the account belongs to the client (`from` in the file). None: from the
    beginning. The account belongs to the client until another entry for it begins.
    """

    id: AccountId
    valid_from: FromDay = Field(default=None, alias="from")
    conversion_action_type: ActionTypes = ()
    """Meta only: the `action_type` that counts as a conversion. None: the first of the project's list in the row."""

    def options_on(self, day: date) -> dict[str, str]:
        """The options that are valid on a day, by name. Only the account's source interprets them."""
        action_type = valid_on(self.conversion_action_type, day)
        return {} if action_type is None else {"conversion_action_type": action_type}


class KpiTargets(_Strict):
    """Targets for KPIs, as fractions (0.02 is 2 %) and, for CPA, in the client's reporting currency."""

    ctr: Share = 0.02
    cpa: Positive = 5.0
    conversion_rate: Share = 0.05
    min_impressions: int = Field(default=MIN_IMPRESSIONS, ge=0)
    min_clicks: int = Field(default=MIN_CLICKS, ge=0)


class ClientTargets(KpiTargets):
    """A client's targets, and those that differ on one platform."""

    platforms: Annotated[dict[str, Annotated[KpiTargets, OrNoMapping]], OrNoMapping] = Field(default_factory=dict)

    def on(self, source: str) -> KpiTargets:
        """The targets on one source."""
        own = self.model_dump(exclude={"platforms"}, exclude_unset=True)
        override = self.platforms[source].model_dump(exclude_unset=True) if source in self.platforms else {}
        return KpiTargets(**{**own, **override})


class Client(_Strict):
    """A client of the agency.

    ``mail``: the recipients of the client's morning email and of its alerts.

    ``lookback_days``: how many days a source goes on rewriting this client's days, by source, where that differs from
    the source's usual number (an own conversion window). It and ``reporting_currency`` may change over time.
    """

    id: str = Field(max_length=_MOST_ID_CHARACTERS, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    name: str = Field(min_length=1, max_length=_MOST_NAME_CHARACTERS)
    reporting_currency: Currencies = Field(validation_alias=AliasChoices("reporting_currency", "currency"))
    accounts: Annotated[
        dict[str, Annotated[list[Annotated[AccountRef, BeforeValidator(_account)]], OrNoList]], OrNoMapping
    ]
    targets: Annotated[ClientTargets, OrNoMapping] = Field(
        default_factory=ClientTargets, validation_alias=AliasChoices("targets", "kpi_targets")
    )
    lookback_days: Annotated[dict[str, Annotated[tuple[Version[Days], ...], AS_VERSIONS]], OrNoMapping] = Field(
        default_factory=dict
    )
    mail: MailAddresses = ()


class AcceptedAmounts(_Strict):
    """Up to which difference between the campaigns and the account's total is accepted, without its sign.

    Money is in the account's currency. A metric without an amount is not accepted.
    """

    spend: Positive | None = None
    impressions: Positive | None = None
    clicks: Positive | None = None
    conversions: Positive | None = None
    conversion_value: Positive | None = None
    link_clicks: Positive | None = None
    conversions_by_conversion_date: Positive | None = None
    conversion_value_by_conversion_date: Positive | None = None

    @model_validator(mode="after")
    def _needs_an_amount(self) -> AcceptedAmounts:
        if not self.model_fields_set:
            raise ValueError("it has no amount → write the accepted differences, as in {spend: 80, conversions: 40}")
        return self


class AcceptedDifference(_Strict):
    """Days of an account, with a difference between its campaigns and its total that a person accepts.

    In the file, it has either ``day``, or ``from`` and ``to``.
    """

    platform: str
    account: AccountId
    manager: AccountId | None = None
    """The manager account that the file lists, if the account is under it."""
    day: FromDay = None
    first: FromDay = Field(default=None, alias="from")
    last: FromDay = Field(default=None, alias="to")
    up_to: AcceptedAmounts
    reason: Annotated[str, Field(max_length=_MOST_REASON_CHARACTERS), BeforeValidator(_some_text)]
    accepted_by: Annotated[str, Field(max_length=_MOST_NAME_CHARACTERS), OrNoText] = ""

    @model_validator(mode="after")
    def _has_days(self) -> AcceptedDifference:
        ends = [end for end in (self.first, self.last) if end is not None]
        if len(ends) == 2 and self.day is None:
            if ends[1] < ends[0]:
                raise ValueError(f"`from: {ends[0]}` is later than `to: {ends[1]}` → exchange them")
        elif ends or self.day is None:
            raise ValueError("its days are not clear → write `day: YYYY-MM-DD`, or both `from:` and `to:`")
        return self

    @property
    def first_day(self) -> date:
        """The first accepted day."""
        first = self.day or self.first
        assert first is not None  # the validator requires it
        return first

    @property
    def last_day(self) -> date:
        """The last accepted day."""
        last = self.day or self.last
        assert last is not None  # the validator requires it
        return last


class Clients(_Strict):
    """The whole file.

    ``exchange_rates[reporting][account]``: units of the reporting currency for one unit of the account's currency.
    These are budget rates: a day has the rate that is valid from the newest day up to it.
    """

    clients: list[Client] = Field(min_length=1)
    exchange_rates: Annotated[
        dict[Currency, Annotated[dict[Currency, Rates], OnceEach, OrNoMapping]],
        OnceEach,
        OrNoMapping,
    ] = Field(default_factory=dict)
    accepted_differences: Annotated[tuple[AcceptedDifference, ...], OrNoList] = ()

    def refs(self, source: str) -> Iterator[tuple[Client, AccountRef]]:
        """The entries for a source's accounts, with their clients, in the file's order."""
        for client in self.clients:
            for ref in client.accounts.get(source, []):
                yield client, ref

    def listed(self, source: str) -> list[str]:
        """The account ids listed for a source, each once."""
        return list(dict.fromkeys(ref.id for _, ref in self.refs(source)))

    def exchange_rate(self, reporting: str, account: str, day: date = date.max) -> float | None:
        """Units of ``reporting`` for one unit of ``account`` on a day; None if the file has no such rate."""
        if reporting == account:
            return 1.0
        return valid_on(self.exchange_rates.get(reporting, {}).get(account, ()), day)
