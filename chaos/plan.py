"""The plan of a round, drawn from the seed and printed before the round starts. The same seed gives the same plan."""

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
"""A round covers today and this number of days before."""
OVERLAPPING = ((6, 2), (4, 1))
"""The windows of two simultaneous backfills."""
_CARDS_PER_ROUND = 5  # half of the cards, because five minutes have at least two rounds; every round has more acts
_FAULTS_PER_ROUND = 8
_CARD_REPEATS = {"kill:load": 2, "kill:commit": 2}  # these stages are short, and occur several times in each run
_MOST_TIMES = {"load": 3, "commit": 8}
# How long a stage lasts.
_SECONDS = {"dbt": 1.0, "extract": 0.02, "landing": 0.01, "load": 0.002, "commit": 0.002}
_AFTER_THE_RUN = 10_000  # more requests than any run makes

# A time just before a clock change, with its zone.
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
    """The round's plan, which depends only on the two numbers."""
    chance = random.Random(f"{seed} round {number}")
    drawn_cards = _draw_cards(seed, number)
    zone, base, clock_acts = _time(number, chance)
    fixed = clock_acts or [*_command_acts(number, chance), _act("api", chance)]
    acts = [*fixed, *(_act(kind, chance) for kind in drawn_cards.kinds for _ in range(_CARD_REPEATS.get(kind, 1)))]
    chance.shuffle(acts)
    acts.sort(
        key=lambda act: act.clock is not None and not act.clock.time_passes
    )  # these acts come last, because they test the earlier ones
    acts = _with_faults(acts, drawn_cards.recipes, chance)
    recovery = "probe" if number % 4 in (1, 2) else "runs"
    return RoundPlan(number, zone, base, tuple(acts), recovery)


def short_plan(seed: int) -> RoundPlan:
    """A round of half a minute for the tests: a kill, faults of both platforms, and days that change meanwhile."""
    chance = random.Random(f"{seed} short")
    window = (DAYS_BEFORE, 0)
    passing = [recipe for recipe in RECIPES if recipe.kind in ("internal", "transient")]
    killed = Act("kill", window, stage="commit", times=chance.randint(1, 3), commit_pause_seconds=0.5)
    restated = replace(_act("restated", chance), faults=tuple(replace(draw(r, chance), after=0) for r in passing))
    return RoundPlan(0, "Europe/Berlin", None, (killed, restated), "runs")


@dataclass(frozen=True)
class _DrawnCards:
    kinds: list[str]
    recipes: list[Recipe]


def _draw_cards(seed: int, number: int) -> _DrawnCards:
    """The round's share of two packs of cards. A used pack is shuffled again, so every kind occurs."""
    kinds = [*(f"kill:{stage}" for stage in KILL_STAGES), "disk", "waited", "refused", "overlap", "restated"]
    return _DrawnCards(
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
        return Act("kill", window, edits=edits, **_kill_moment(stage, chance))
    if kind == "disk":
        stage = chance.choice(("extract", "landing", "commit", "dbt"))
        return Act("disk", window, stage=stage, seconds=chance.uniform(0, 0.5), left_kib=chance.choice((0, 16, 256)))
    if kind in ("waited", "refused"):
        # Counted from when the run needs the file. MDP_LOCK_TIMEOUT_SECONDS is 3 (run_starts.py). "refused" times out.
        return Act(kind, window, stage=chance.choice(("start", "extract")), seconds=chance.uniform(0.1, 1))
    if kind == "overlap":
        moment = _kill_moment(chance.choice(KILL_STAGES), chance) if chance.random() < 0.8 else {}
        return Act(kind, (DAYS_BEFORE, 1), edits=_edits(chance, window, 2), **moment)
    if kind == "restated":
        one, other, last = _edits(chance, window, 3)
        edits = (
            replace(one, kind="restate", after=chance.randint(5, 15)),
            replace(other, kind="empty", after=chance.randint(5, 15)),
            replace(last, kind="add", after=chance.randint(5, 15)),
            replace(other, kind="add", after=chance.randint(16, 20)),  # restores the empty day
        )
    return Act(kind, window, edits=edits)


def _kill_moment(stage: str, chance: random.Random) -> dict[str, Any]:
    """The stage and time of a kill."""
    times = chance.randint(1, _MOST_TIMES.get(stage, 1))
    return {"stage": stage, "times": times, "seconds": chance.uniform(0, _SECONDS[stage])}


def _command_acts(number: int, chance: random.Random) -> list[Act]:
    """Commands as users run them. Either all their processes are killed, or only the terminal."""
    ways = ("backfill", "backfill's terminal", "materialize")
    wanted = ways[:2] if number == 0 else (ways[(number // 2 + 1) % 3],)
    return [
        Act("kill", _window_for_command(chance), way=way, **_kill_moment(chance.choice(KILL_STAGES), chance))
        for way in wanted
    ]


def _window_for_command(chance: random.Random) -> tuple[int, int]:
    """A window that no overlapping backfill has, because the same command would continue that backfill."""
    while (window := _window(chance)) in OVERLAPPING:
        pass
    return window


def _time(number: int, chance: random.Random) -> tuple[str, datetime | None, list[Act]]:
    """Every other round has its own time, with clocks that jump."""
    if number % 2 == 0:
        return chance.choice(("UTC", "Europe/Berlin", "America/Los_Angeles")), None, []
    hours = chance.choice((1, 5, 30)) * 3600.0
    passing, wrong = _window(chance), _window(chance)
    if number % 4 == 1:
        (zone, local), kind = chance.choice(_DAYLIGHT_SAVING), "daylight saving"
        # Then days change, and extracts with a correct clock must win against those of the clock that was ahead.
        clock, edited = ClockJump("ahead", skew_seconds=hours), _AFTER_THE_RUN
    else:
        (zone, local), kind = chance.choice(_MIDNIGHT), "midnight"
        # Days have changed: this run's extracts must win against earlier ones that have later times.
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
    """Distribute the platforms' faults. Faults that cost rows or time go to acts without other obstacles."""
    sharp = [n for n, act in enumerate(acts) if act.clock is not None and not act.clock.time_passes]
    free = [n for n, act in enumerate(acts) if act.kind in ("api", "restated", "clock") and n not in sharp]
    # A run that is killed early, or that can't open the database, does not get that far.
    mild = [n for n, act in enumerate(acts) if act.way == "warm" and act.kind not in ("disk", "refused", "kill")]
    mild += [n for n, act in enumerate(acts) if act.way == "warm" and act.kind == "kill" and act.stage == "dbt"]
    given: dict[int, list[ApiFault]] = {n: [] for n in (*mild, *free)}
    for recipe in sorted(recipes, key=lambda recipe: recipe.costs != "time"):
        places = mild if recipe.costs == "nothing" else free
        fitting = [n for n in places if not any(_interferes(recipe, other.recipe) for other in given[n])]
        given[chance.choice(fitting or places)].append(draw(recipe, chance))
    return [
        # Faults that a run survives come first, because a fault that ends a step would prevent the rest.
        replace(act, faults=tuple(sorted(given.get(n, []), key=lambda fault: fault.recipe.costs)))
        for n, act in enumerate(acts)
    ]


def _interferes(recipe: Recipe, other: Recipe) -> bool:
    """Whether one of two faults would prevent the other in the same run."""
    if recipe.platform != other.platform:
        return False
    both = (recipe, other)
    in_two_ways = any(r.kind == "reduce_data" for r in both) and any(r.report_runs for r in both)
    return in_two_ways or other.costs == "time"
