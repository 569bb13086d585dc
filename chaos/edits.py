"""What the platforms change about their days while a round goes on. What changes nothing doesn't count."""

from __future__ import annotations

from datetime import date, timedelta

from chaos.plan_model import AccountDay, Edit, Rows
from chaos.round_state import Scene
from sandbox import World
from sandbox.behaviour import Metrics

_METRICS = ("impressions", "clicks", "spend", "conversions", "conversion_value")


class Edits:
    """The edits of one act, each in its turn. ``during``: account-days that changed while the run was at work, so that
    it may have pulled them before."""

    def __init__(self, scene: Scene, edits: tuple[Edit, ...]) -> None:
        self._scene = scene
        self._waiting = list(edits)
        self.during: set[AccountDay] = set()
        for edit in edits:
            scene.tally.plan("restated", edit.kind)

    def before_the_run(self) -> None:
        self._change([edit for edit in self._waiting if edit.after == 0], "before the run")

    def while_it_runs(self, requests: int) -> None:
        """It has made so many."""
        due = [edit for edit in self._waiting if edit.after <= requests]
        self.during |= self._change(due, "")

    def after_the_run(self) -> None:
        """For what it was over too soon for."""
        self._change(list(self._waiting), "after the run")

    def _change(self, due: list[Edit], when: str) -> set[AccountDay]:
        changed: set[AccountDay] = set()
        for edit in due:
            self._waiting.remove(edit)
            key = edit.platform, edit.account_id, self._scene.day(edit.days_ago)
            before = told(self._scene.sandbox.world, key)
            if change(self._scene.sandbox.world, edit, key):
                self._scene.tally.met("restated", f"{edit.kind}, {when}" if when else edit.kind)
                self._scene.stale.add(key[2])
                self._scene.versions.setdefault(key, []).append(before)
                changed.add(key)
        return changed


def told(world: World, key: AccountDay) -> Rows:
    """What the platform says of an account's day."""
    platform, account_id, day = key
    return world.truth(platform, day, day + timedelta(days=1), account_ids=[account_id])


def change(world: World, edit: Edit, key: AccountDay) -> bool:
    """The platform says something else of the day from now on. Whether it is something else."""
    before = told(world, key)
    if edit.kind == "restate":
        world.restate(*key, factor=edit.factor, metrics=_METRICS)
    elif edit.kind == "empty":
        world.empty_day(*key)
    elif before:
        world.add_rows(*key, _one_more(world, edit, before))
    else:
        world.add_rows(*key)  # filled again
    return told(world, key) != before


def days_as_they_were_before(scene: Scene) -> set[date]:
    """Days that have changed, and are again what they were once."""
    world = scene.sandbox.world
    return {key[2] for key, versions in scene.versions.items() if told(world, key) in versions}


def _one_more(world: World, edit: Edit, before: Rows) -> dict[int, Metrics]:
    """A row of a campaign that has none on that day."""
    account = world.account(edit.platform, edit.account_id)
    assert account is not None
    there = {row["campaign_id"] for row in before}
    silent = [campaign.id for campaign in world.campaigns(account) if str(campaign.id) not in there]
    return {silent[-1]: Metrics(impressions=1000, clicks=30, spend=1234)} if silent else {}
