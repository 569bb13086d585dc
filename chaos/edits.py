"""Changes to the platforms' data while a round runs. An edit that changes nothing does not count."""

from __future__ import annotations

from datetime import date, timedelta

from chaos.plan_model import AccountDay, Edit, Rows
from chaos.round_state import RoundState
from sandbox import World
from sandbox.behaviour import Metrics

_METRICS = ("impressions", "clicks", "spend", "conversions", "conversion_value")


class Edits:
    """The edits of one act, each at its time.

    Attributes:
        during: Account-days that changed while the run worked, so that it may have extracted them earlier.
    """

    def __init__(self, round_state: RoundState, edits: tuple[Edit, ...]) -> None:
        self._round_state = round_state
        self._waiting = list(edits)
        self.during: set[AccountDay] = set()
        for edit in edits:
            round_state.counts.count_planned("restated", edit.kind)

    def before_the_run(self) -> None:
        """Apply the edits for the time before the run."""
        self._change([edit for edit in self._waiting if edit.after == 0], "before the run")

    def while_it_runs(self, requests: int) -> None:
        """Apply the edits that are due after this number of requests."""
        due = [edit for edit in self._waiting if edit.after <= requests]
        self.during |= self._change(due, "")

    def after_the_run(self) -> None:
        """Apply the edits that the run was too short for."""
        self._change(list(self._waiting), "after the run")

    def _change(self, due: list[Edit], when: str) -> set[AccountDay]:
        changed: set[AccountDay] = set()
        for edit in due:
            self._waiting.remove(edit)
            key = edit.platform, edit.account_id, self._round_state.day(edit.days_ago)
            before = source_rows(self._round_state.sandbox.world, key)
            if change(self._round_state.sandbox.world, edit, key):
                self._round_state.counts.count_hit("restated", f"{edit.kind}, {when}" if when else edit.kind)
                self._round_state.stale.add(key[2])
                self._round_state.versions.setdefault(key, []).append(before)
                changed.add(key)
        return changed


def source_rows(world: World, key: AccountDay) -> Rows:
    """The platform's rows of an account-day."""
    platform, account_id, day = key
    return world.truth(platform, day, day + timedelta(days=1), account_ids=[account_id])


def change(world: World, edit: Edit, key: AccountDay) -> bool:
    """Apply an edit to the platform's data. Returns whether the rows changed."""
    before = source_rows(world, key)
    if edit.kind == "restate":
        world.restate(*key, factor=edit.factor, metrics=_METRICS)
    elif edit.kind == "empty":
        world.empty_day(*key)
    elif before:
        world.add_rows(*key, _one_more(world, edit, before))
    else:
        world.add_rows(*key)  # restores an empty day
    return source_rows(world, key) != before


def days_changed_back(round_state: RoundState) -> set[date]:
    """Days that have changed and now have the rows of an earlier version."""
    world = round_state.sandbox.world
    return {key[2] for key, versions in round_state.versions.items() if source_rows(world, key) in versions}


def _one_more(world: World, edit: Edit, before: Rows) -> dict[int, Metrics]:
    """A row of a campaign that has none on that day."""
    account = world.account(edit.platform, edit.account_id)
    assert account is not None
    there = {row["campaign_id"] for row in before}
    silent = [campaign.id for campaign in world.campaigns(account) if str(campaign.id) not in there]
    return {silent[-1]: Metrics(impressions=1000, clicks=30, spend=1234)} if silent else {}
