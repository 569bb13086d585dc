"""What a round is to be: drawn from the seed before it begins, and printed. The same seed, the same plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from chaos.api_faults import ACCOUNTS, RECIPES, ApiFault, Recipe, draw
from chaos.clock import in_zone
from chaos.fault_counts import KILL_STAGES
from chaos.plan_model import Act, ClockJump, Edit, RoundPlan

Card = TypeVar("Card")

DAYS_BEFORE = 6
"""A round is about today and so many days before."""
OVERLAPPING = ((6, 2), (4, 1))
"""The windows of two backfills at once."""
_CARDS_PER_ROUND = 5  # half of them: five minutes are two rounds at least. Beside the acts that every round has.
_FAULTS_PER_ROUND = 8
_OFTEN = {"kill:load": 2, "kill:commit": 2}  # they are over soon, and come up again and again in each run
_MOST_TIMES = {"load": 3, "commit": 8}
# They last for seconds or for milliseconds.
_SECONDS = {"dbt": 1.0, "extract": 0.02, "landing": 0.01, "load": 0.002, "commit": 0.002}
_AFTER_THE_RUN = 10_000  # requests, which no run makes

# just before a change, and the zone whose clocks it is about
_DAYLIGHT_SAVING = (
    ("Europe/Berlin", "2026-03-29 01:58"),
    ("Europe/Berlin", "2025-10-26 01:58"),
    ("America/New_York", "2026-03-08 01:58"),
    ("America/New_York", "2025-11-02 00:58"),
)
_MIDNIGHT = (
    ("Europe/Berlin", "2026-06-30 23:58"),
    ("Pacific/Auckland", "2026-05-31 23:58"),
    ("UTC", "2026-02-28 23:58"),
)


def plan_round(seed: int, number: int) -> RoundPlan:
    """The round's plan, which depends on nothing but the two numbers."""
    chance = random.Random(f"{seed} round {number}")
    dealt = _deal(seed, number)
    zone, base, clock_acts = _time(number, chance)
    fixed = clock_acts or [*_command_acts(number, chance), _act("api", chance)]
    acts = [*fixed, *(_act(kind, chance) for kind in dealt.kinds for _ in range(_OFTEN.get(kind, 1)))]
    chance.shuffle(acts)
    acts.sort(key=lambda act: act.clock is not None and not act.clock.time_passes)  # what comes before is the test
    acts = _with_faults(acts, dealt.recipes, chance)
    recovery = "probe" if number % 4 in (1, 2) else "runs"
    return RoundPlan(number, zone, base, tuple(acts), recovery)


def short_plan(seed: int) -> RoundPlan:
    """A round of half a minute, for the tests: a kill, faults of both platforms, days that change while they are
    pulled."""
    chance = random.Random(f"{seed} short")
    window = (DAYS_BEFORE, 0)
    passing = [recipe for recipe in RECIPES if recipe.kind in ("internal", "transient")]
    killed = Act("kill", window, stage="commit", times=chance.randint(1, _MOST_TIMES["commit"]))
    restated = replace(_act("restated", chance), faults=tuple(replace(draw(r, chance), after=0) for r in passing))
    return RoundPlan(0, "Europe/Berlin", None, (killed, restated), "runs")


@dataclass(frozen=True)
class _Dealt:
    kinds: list[str]
    recipes: list[Recipe]


def _deal(seed: int, number: int) -> _Dealt:
    """The round's share of two packs of cards, which are shuffled anew when they are used up: so every kind comes."""
    kinds = [*(f"kill:{stage}" for stage in KILL_STAGES), "disk", "waited", "refused", "overlap", "restated"]
    return _Dealt(
        _share(f"{seed} acts", kinds, _CARDS_PER_ROUND, number),
        _share(f"{seed} faults", RECIPES, _FAULTS_PER_ROUND, number),
    )


def _share(seed: str, cards: Sequence[Card], size: int, number: int) -> list[Card]:
    drawn: list[Card] = []
    pack = 0
    while len(drawn) < size * (number + 1):
        drawn += random.Random(f"{seed} {pack}").sample(cards, len(cards))
        pack += 1
    return drawn[size * number :][:size]


def _window(chance: random.Random) -> tuple[int, int]:
    last = chance.randint(0, 2)
    return chance.randint(last + 2, DAYS_BEFORE), last


def _edits(chance: random.Random, window: tuple[int, int], count: int) -> tuple[Edit, ...]:
    made = []
    for _ in range(count):
        platform = chance.choice(tuple(ACCOUNTS))
        kind = chance.choices(("restate", "empty", "add"), (2, 1, 1))[0]
        day = chance.randint(window[1], window[0])
        account = chance.choice(ACCOUNTS[platform])
        made.append(Edit(kind, platform, account, day, chance.choice((0.5, 1.5, 2, 3)), chance.randint(1, 30)))
    return tuple(made)


def _act(card: str, chance: random.Random) -> Act:
    window = _window(chance)
    edits = _edits(chance, window, chance.randint(0, 1))
    kind, _, stage = card.partition(":")
    if kind == "kill":
        return Act("kill", window, edits=edits, **_moment(stage, chance))
    if kind == "disk":
        stage = chance.choice(("extract", "landing", "commit", "dbt"))
        return Act("disk", window, stage=stage, seconds=chance.uniform(0, 0.5), left_kib=chance.choice((0, 16, 256)))
    if kind in ("waited", "refused"):
        # from when the run wants it, beside MDP_LOCK_TIMEOUT_SECONDS=3 (starts.py); a refused one waits in vain
        return Act(kind, window, stage=chance.choice(("start", "extract")), seconds=chance.uniform(0.1, 1))
    if kind == "overlap":
        moment = _moment(chance.choice(KILL_STAGES), chance) if chance.random() < 0.8 else {}
        return Act(kind, (DAYS_BEFORE, 1), edits=_edits(chance, window, 2), **moment)
    if kind == "restated":
        one, other, last = _edits(chance, window, 3)
        edits = (
            replace(one, kind="restate", after=chance.randint(5, 15)),
            replace(other, kind="empty", after=chance.randint(5, 15)),
            replace(last, kind="add", after=chance.randint(5, 15)),
            replace(other, kind="add", after=chance.randint(16, 20)),  # filled again
        )
    return Act(kind, window, edits=edits)


def _moment(stage: str, chance: random.Random) -> dict[str, Any]:
    """Of a kill."""
    times = chance.randint(1, _MOST_TIMES.get(stage, 1))
    return {"stage": stage, "times": times, "seconds": chance.uniform(0, _SECONDS[stage])}


def _command_acts(number: int, chance: random.Random) -> list[Act]:
    """Commands as people type them: killed with all their processes, or the terminal's alone."""
    ways = ("backfill", "backfill's terminal", "materialize")
    wanted = ways[:2] if number == 0 else (ways[(number // 2 + 1) % 3],)
    return [Act("kill", _own_window(chance), way=way, **_moment(chance.choice(KILL_STAGES), chance)) for way in wanted]


def _own_window(chance: random.Random) -> tuple[int, int]:
    """Not one of the overlapping backfills': the same command again would continue theirs."""
    while (window := _window(chance)) in OVERLAPPING:
        pass
    return window


def _time(number: int, chance: random.Random) -> tuple[str, datetime | None, list[Act]]:
    """Every other round is at an instant of its own, with clocks that jump."""
    if number % 2 == 0:
        return chance.choice(("UTC", "Europe/Berlin", "America/Los_Angeles")), None, []
    hours = chance.choice((1, 5, 30)) * 3600.0
    passing, wrong = _window(chance), _window(chance)
    if number % 4 == 1:
        (zone, local), kind = chance.choice(_DAYLIGHT_SAVING), "daylight saving"
        # then days change, and the pulls of a clock that is right have to win against those of the one that was ahead
        clock, edited = ClockJump("ahead", skew_seconds=hours), _AFTER_THE_RUN
    else:
        (zone, local), kind = chance.choice(_MIDNIGHT), "midnight"
        # days have changed: this run's pulls have to win against earlier ones, whose times are later
        clock, edited = ClockJump("set back", jump_seconds=-hours, after=1), 0
    seconds = chance.choice((180, 5400))
    over = ClockJump(kind, jump_seconds=seconds, after=chance.randint(1, 15), time_passes=True)
    changes = tuple(replace(edit, kind="restate", after=edited) for edit in _edits(chance, wrong, 4))
    acts = [
        Act("clock", (passing[0], 0), clock=over, edits=_edits(chance, passing, 1)),
        Act("clock", wrong, clock=clock, edits=changes),
    ]
    base = in_zone(local, zone) + timedelta(seconds=chance.randint(0, 30))
    return zone, base, acts


def _with_faults(acts: list[Act], recipes: list[Recipe], chance: random.Random) -> list[Act]:
    """The faults of the platforms on the runs of the round: what costs rows or time where nothing else is tried."""
    sharp = [n for n, act in enumerate(acts) if act.clock is not None and not act.clock.time_passes]
    free = [n for n, act in enumerate(acts) if act.kind in ("api", "restated", "clock") and n not in sharp]
    # a run that is killed early, or that finds no database, doesn't come so far
    mild = [n for n, act in enumerate(acts) if act.way == "warm" and act.kind not in ("disk", "refused", "kill")]
    mild += [n for n, act in enumerate(acts) if act.way == "warm" and act.kind == "kill" and act.stage == "dbt"]
    given: dict[int, list[ApiFault]] = {n: [] for n in (*mild, *free)}
    for recipe in sorted(recipes, key=lambda recipe: recipe.costs != "time"):
        places = mild if recipe.costs == "nothing" else free
        fitting = [n for n in places if not any(_in_the_way(recipe, other.recipe) for other in given[n])]
        given[chance.choice(fitting or places)].append(draw(recipe, chance))
    return [
        # first what a run gets over by itself: what ends a step would keep it from the rest
        replace(act, faults=tuple(sorted(given.get(n, []), key=lambda fault: fault.recipe.costs)))
        for n, act in enumerate(acts)
    ]


def _in_the_way(recipe: Recipe, other: Recipe) -> bool:
    """Whether one of two would keep the other from happening in the same run."""
    if recipe.platform != other.platform:
        return False
    both = (recipe, other)
    in_two_ways = any(r.kind == "reduce_data" for r in both) and any(r.report_runs for r in both)
    return in_two_ways or other.costs == "time"
