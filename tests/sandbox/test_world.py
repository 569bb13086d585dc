"""The world: the same for the same seed and now, late as platforms are late, plausible, and editable by hand."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sandbox import Metrics, World
from sandbox.behaviour import arrived_share, settling_days
from sandbox.model import Account
from sandbox.platforms import platforms
from tests.support.sandbox_clients import META_SALES, NORDLICHT, NOW

SERVING = [account for platform in platforms() for account in World(now=NOW).accounts(platform) if account.serves_ads]
accounts = st.sampled_from(SERVING)
days_ago = st.integers(min_value=0, max_value=120)
instants = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 6, 1), timezones=st.just(timezone.utc))


def _rows(world: World, account: Account, day: date) -> dict[int, Metrics]:
    return {row.campaign.id: row.metrics for row in world.campaign_days(account, day, day + timedelta(days=1))}


@given(account=accounts, now=instants, ago=days_ago, seed=st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_the_same_seed_and_now_give_the_same_rows(account: Account, now: datetime, ago: int, seed: int) -> None:
    day = now.date() - timedelta(days=ago)
    assert _rows(World(seed, now), account, day) == _rows(World(seed, now), account, day)


@given(account=accounts, ago=st.integers(0, 100), length=st.integers(2, 20))
@settings(max_examples=40, deadline=None)
def test_a_day_alone_is_the_same_as_the_day_in_a_range(account: Account, ago: int, length: int) -> None:
    world = World(now=NOW)
    first = NOW.date() - timedelta(days=ago)
    days = [first + timedelta(days=n) for n in range(length)]
    together = [(row.day, row.campaign.id, row.metrics) for row in world.campaign_days(account, first, days[-1])]
    single = [(day, id_, metrics) for day in days[:-1] for id_, metrics in _rows(World(now=NOW), account, day).items()]
    assert together == single


@given(account=accounts, ago=st.integers(0, 60), hours=st.lists(st.integers(1, 72), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_conversions_and_value_never_fall_as_time_passes(account: Account, ago: int, hours: list[int]) -> None:
    world = World(now=NOW)
    day = NOW.date() - timedelta(days=ago)
    before = _rows(world, account, day)
    for step in hours:
        world.now += timedelta(hours=step)
        after = _rows(world, account, day)
        for id_, metrics in before.items():
            assert after[id_].conversions >= metrics.conversions
            assert after[id_].conversion_value >= metrics.conversion_value
            assert after[id_].clicks >= metrics.clicks
        before = after


@given(account=accounts, ago=st.integers(95, 400), later=st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_settled_days_stay_as_they_are(account: Account, ago: int, later: int) -> None:
    world = World(now=NOW)
    day = NOW.date() - timedelta(days=ago)
    before = _rows(world, account, day)
    world.now += timedelta(days=later)
    assert _rows(world, account, day) == before


@pytest.mark.parametrize("platform", list(platforms()))
def test_past_days_change_from_hour_to_hour(platform: str) -> None:
    """Not all together at midnight, as the probes of a day would otherwise find nothing."""
    world = World(now=datetime(2026, 11, 20, 0, 30, tzinfo=timezone.utc))
    serving = [account for account in world.accounts(platform) if account.serves_ads]
    changes: dict[int, int] = dict.fromkeys(range(1, 25), 0)
    before = {(a.id, ago): _rows(world, a, NOW.date() - timedelta(days=ago)) for a in serving for ago in range(1, 15)}
    for hour in changes:
        world.now += timedelta(hours=1)
        for (id_, ago), rows in before.items():
            account = world.account(platform, id_)
            assert account
            now = _rows(world, account, NOW.date() - timedelta(days=ago))
            changes[hour] += now != rows
            before[id_, ago] = now
    assert sum(map(bool, changes.values())) >= 18, changes
    assert max(changes.values()) < sum(changes.values()) / 4, "most changes come together"


@given(account=accounts, ago=st.integers(1, 100))
@settings(max_examples=40, deadline=None)
def test_a_past_day_has_the_numbers_of_its_age_at_midnight(account: Account, ago: int) -> None:
    """They are those that the day had in the last hour before."""
    day = date(2026, 11, 10)
    midnight = datetime.combine(day + timedelta(days=ago + 1), datetime.min.time(), account.zone)
    last_hour = midnight.astimezone(timezone.utc) - timedelta(minutes=30)
    rows = _rows(World(now=midnight), account, day)
    assert _rows(World(now=last_hour), account, day) == rows


def test_half_of_the_conversions_come_later() -> None:
    for settling in (7, 60, 75, 90):
        shares = [arrived_share(age, settling) for age in range(settling + 5)]
        assert shares[0] == pytest.approx(0.55) and shares[settling] == shares[-1] == 1.0
        assert shares == sorted(shares) and shares[settling - 1] < 1.0
    assert {settling_days(a) for a in SERVING if a.platform == "meta_ads"} == {7}
    assert {settling_days(a) for a in SERVING if a.platform == "google_ads"} <= {60, 75, 90}


@given(account=st.sampled_from([a for a in SERVING if a.platform == "google_ads"]), now=instants)
@settings(max_examples=10, deadline=None)
def test_google_counts_the_same_conversions_by_click_and_by_their_own_day(account: Account, now: datetime) -> None:
    """Of a campaign with all of its clicks within the history, at any instant."""
    world = World(now=now)
    today = world.local_today(account)
    sums: dict[int, Metrics] = defaultdict(Metrics)
    shown_today = set()
    for row in world.campaign_days(account, today - timedelta(days=150), today + timedelta(days=1)):
        if row.campaign.first_day and row.campaign.first_day >= today - timedelta(days=150):
            sums[row.campaign.id] += row.metrics
        shown_today |= {row.day} & {today}
    assume(shown_today)  # in an outage the conversions wait for the next day
    for metrics in sums.values():
        assert metrics.conversions_by_date == metrics.conversions
        assert metrics.conversion_value_by_date == metrics.conversion_value


@given(account=accounts, ago=st.integers(0, 60), later=st.integers(3, 40))
@settings(max_examples=60, deadline=None)
def test_meta_settles_within_three_days(account: Account, ago: int, later: int) -> None:
    assume(account.platform == "meta_ads")
    world = World(now=NOW)
    day = NOW.date() - timedelta(days=ago)
    world.now += timedelta(days=3)
    settled = _rows(world, account, day)
    world.now += timedelta(days=later)
    assert _rows(world, account, day) == settled


def test_meta_shows_most_conversions_of_a_day_on_the_next_morning() -> None:
    world = World(now=NOW)
    days = [NOW.date() - timedelta(days=n) for n in range(1, 60)]
    early = late = 0
    for account in (a for a in SERVING if a.platform == "meta_ads"):
        for day in days:
            world.now = datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc) + timedelta(days=1)
            early += sum(metrics.conversions for metrics in _rows(world, account, day).values())
            world.now += timedelta(days=10)
            late += sum(metrics.conversions for metrics in _rows(world, account, day).values())
    assert 0.85 < early / late < 0.99


def test_conversions_happen_after_the_campaign_has_stopped() -> None:
    """On days without spend and clicks: on Meta for a week, on Google for the conversion window."""
    rows = [row for a in SERVING for row in World(now=NOW).campaign_days(a, date(2026, 6, 1), date(2026, 11, 1))]
    silent = [row for row in rows if not (row.metrics.impressions or row.metrics.clicks or row.metrics.spend)]
    meta = [row for row in silent if row.account.platform == "meta_ads"]
    assert meta and all(row.metrics.conversions for row in meta)
    google = [row for row in silent if row.account.platform == "google_ads"]
    assert google and all(row.metrics.conversions == 0 and row.metrics.conversions_by_date for row in google)
    for row in silent:
        since = row.campaign.last_day and (row.day - row.campaign.last_day).days
        assert not row.campaign.runs_on(row.day)
        assert since is None or 0 < since <= settling_days(row.account) + 5
    one_day = [row.metrics for row in rows if row.account.platform == "meta_ads" and row.metrics.clicks]
    assert any(metrics.conversions / 100 > 0.2 * metrics.clicks for metrics in one_day)


def test_the_truth_says_on_which_day_a_conversion_counts() -> None:
    truth = World(now=NOW).truth(None, date(2025, 6, 9), date(2025, 6, 11))
    seen = {(row["platform"], str(row["date"]), row["conversion_dating"]) for row in truth}
    assert seen == {
        ("google_ads", "2025-06-09", "click"),
        ("google_ads", "2025-06-10", "click"),
        ("meta_ads", "2025-06-09", None),
        ("meta_ads", "2025-06-10", "conversion"),
    }
    for row in truth:
        if row["platform"] == "meta_ads":
            known = row["conversion_dating"] == "conversion"
            assert row["conversions_by_conversion_date"] == (row["conversions"] if known else None)
            assert row["link_clicks"] < row["clicks"] or not row["clicks"]
        else:
            assert row["link_clicks"] == row["clicks"] == row["clicks_all"]


def test_recent_cost_is_provisional_by_little() -> None:
    world = World(now=NOW)
    account = world.account("google_ads", NORDLICHT)
    assert account
    day = NOW.date() - timedelta(days=1)
    early = {id_: m.spend for id_, m in _rows(world, account, day).items()}
    world.now += timedelta(days=5)
    late = {id_: m.spend for id_, m in _rows(world, account, day).items()}
    assert early != late
    assert all(abs(early[id_] / late[id_] - 1) < 0.016 for id_ in late)


def test_today_is_partial_and_tomorrow_has_no_rows() -> None:
    # At noon UTC it is 13:00 in Berlin, and tomorrow already in Auckland.
    world = World(now=NOW)
    berlin = world.account("google_ads", NORDLICHT)
    auckland = world.account("google_ads", "7001002030")
    assert berlin and auckland
    today, yesterday = _rows(world, berlin, NOW.date()), _rows(world, berlin, NOW.date() - timedelta(days=1))
    assert 0 < sum(m.impressions for m in today.values()) < sum(m.impressions for m in yesterday.values())
    assert not _rows(world, berlin, NOW.date() + timedelta(days=1))
    assert _rows(world, auckland, NOW.date() + timedelta(days=1))
    assert world.local_today(auckland) == NOW.date() + timedelta(days=1)


def test_the_accounts_have_the_cases_that_are_hard_for_connectors() -> None:
    world = World(now=NOW)
    google, meta = world.accounts("google_ads"), world.accounts("meta_ads")
    assert sum(a.serves_ads for a in google) == 8 and sum(a.serves_ads for a in meta) == 7
    assert len({a.client_id for a in google + meta}) == 4
    assert {a.currency for a in google} == {"EUR", "GBP", "USD", "CHF", "SEK"}
    assert len({a.time_zone for a in google}) >= 6
    window = (date(2026, 9, 22), date(2026, 11, 21))
    for account in SERVING:
        rows = list(world.campaign_days(account, *window))
        assert 4 <= len({row.campaign for row in rows}) <= 9
        statuses = {c.status_on(world.local_today(account)) for c in world.campaigns(account)}
        assert "ENABLED" in statuses
    rows = [row for account in SERVING for row in world.campaign_days(account, *window)]
    kinds = {row.campaign.kind for row in rows}
    assert kinds >= {"SEARCH", "PERFORMANCE_MAX", "SHOPPING", "VIDEO", "DISPLAY", "DEMAND_GEN"}
    assert kinds >= {"OUTCOME_SALES", "OUTCOME_LEADS", "OUTCOME_TRAFFIC"}
    assert any(row.metrics.conversions == 0 and row.metrics.clicks for row in rows)
    days = {(row.account, row.day) for row in rows}
    assert any((a, date(2026, 9, 22) + timedelta(days=n)) not in days for a in SERVING for n in range(59))
    starts = {row.campaign for row in rows if row.campaign.first_day and row.campaign.first_day > window[0]}
    assert starts
    assert any(row.campaign.status_on(NOW.date()) == "REMOVED" for row in rows)


def test_the_kpis_are_plausible_and_only_some_meet_their_targets() -> None:
    sums: dict[tuple[str, str], Metrics] = defaultdict(Metrics)
    world = World(now=NOW)
    for account in SERVING:
        for row in world.campaign_days(account, date(2026, 6, 1), date(2026, 9, 1)):
            sums[account.id, row.campaign.name] += row.metrics
    settled = [m for m in sums.values() if m.conversions > 3000]
    assert all(0.004 < m.clicks / m.impressions < 0.07 for m in settled)
    assert all(0.003 < m.conversions / 100 / m.clicks < 0.12 for m in settled)
    good_cpa = sum(m.spend / (m.conversions / 100) < 500 for m in settled)
    good_ctr = sum(m.clicks / m.impressions > 0.02 for m in settled)
    good_rate = sum(m.conversions / 100 / m.clicks > 0.05 for m in settled)
    for good in (good_cpa, good_ctr, good_rate):
        assert 0.1 * len(settled) < good < 0.9 * len(settled)


def test_weeks_and_seasons_show() -> None:
    world = World(now=NOW)
    account = world.account("meta_ads", META_SALES)
    assert account
    by_weekday: dict[int, int] = defaultdict(int)
    for row in world.campaign_days(account, date(2025, 11, 3), date(2026, 11, 2)):
        by_weekday[row.day.weekday()] += row.metrics.impressions
    assert by_weekday[5] > 1.1 * by_weekday[1]


def test_truth_has_every_platform_and_exact_money() -> None:
    rows = World(now=NOW).truth(None, date(2026, 11, 1), date(2026, 11, 3))
    assert {row["platform"] for row in rows} == set(platforms())
    assert {row["date"] for row in rows} == {date(2026, 11, 1), date(2026, 11, 2)}
    assert all(isinstance(row["spend"], Decimal) and row["spend"].as_tuple().exponent == -2 for row in rows)
    assert all(row["account_id"].isdigit() for row in rows)
    assert len({(row["date"], row["account_id"], row["campaign_id"]) for row in rows}) == len(rows)


def test_nothing_is_older_than_37_months() -> None:
    world = World(now=NOW)
    account = world.account("google_ads", NORDLICHT)
    assert account and world.history_start(account) == date(2023, 10, 20)
    first = next(world.campaign_days(account, date(2000, 1, 1), date(2026, 11, 21)))
    assert first.day >= date(2023, 10, 20)


def test_a_day_can_be_restated_emptied_and_filled() -> None:
    world = World(now=NOW)
    account = world.account("google_ads", NORDLICHT)
    assert account
    day = date(2026, 10, 1)
    before = _rows(world, account, day)
    one = next(iter(before))
    world.restate("google_ads", "412-308-7751", day, factor=2, campaign_id=one)
    assert _rows(world, account, day)[one].conversions == 2 * before[one].conversions
    assert _rows(world, account, day)[one].spend == before[one].spend
    world.restate("google_ads", NORDLICHT, day, factor=0.5, metrics=("spend",))
    assert all(abs(m.spend - before[id_].spend / 2) <= 1 for id_, m in _rows(world, account, day).items())
    world.restate("google_ads", NORDLICHT, day, factor=0, metrics=tuple(Metrics.__dataclass_fields__))
    assert not _rows(world, account, day)
    world.forget_edits()
    world.empty_day("google_ads", NORDLICHT, day)
    assert not _rows(world, account, day)
    world.add_rows("google_ads", NORDLICHT, day, {one: Metrics(100, 10, 500, 150, 4000)})
    assert _rows(world, account, day) == {one: Metrics(100, 10, 500, 150, 4000)}
    world.add_rows("google_ads", NORDLICHT, day)
    assert set(_rows(world, account, day)) == set(before)
    with pytest.raises(ValueError, match="no such campaigns"):
        world.add_rows("google_ads", NORDLICHT, day, {1: Metrics(1)})
    with pytest.raises(ValueError, match="no account"):
        world.empty_day("google_ads", "1", day)
    with pytest.raises(ValueError, match="no such metrics"):
        world.restate("google_ads", NORDLICHT, day, factor=2, metrics=("revenue",))


def test_meta_restates_whole_conversions() -> None:
    world = World(now=NOW)
    world.restate("meta_ads", "act_" + META_SALES, date(2026, 10, 1), factor=1.37)
    account = world.account("meta_ads", META_SALES)
    assert account
    assert all(m.conversions % 100 == 0 for m in _rows(world, account, date(2026, 10, 1)).values())


def test_a_world_can_be_larger() -> None:
    world = World(now=NOW, accounts=20, campaigns_per_account=30)
    for platform in platforms():
        serving = [a for a in world.accounts(platform) if a.serves_ads]
        assert len(serving) == 20
        assert all(len(_rows(world, a, date(2026, 10, 2))) >= 15 for a in serving[-5:])
    assert {a.id for a in World(now=NOW).accounts("google_ads")} < {a.id for a in world.accounts("google_ads")}


def test_without_a_now_the_world_lives_in_real_time() -> None:
    assert datetime.now(timezone.utc) <= World().now <= datetime.now(timezone.utc)


def test_sixty_days_of_all_accounts_take_less_than_a_second_of_cpu_time() -> None:
    started = time.thread_time()
    rows = World(seed=99, now=NOW).truth(None, date(2026, 9, 22), date(2026, 11, 21))
    assert len(rows) > 3000 and time.thread_time() - started < 1
