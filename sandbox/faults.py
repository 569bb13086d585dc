"""The faults that tests, chaos and the demo switch on. Each source's folder declares its kinds."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.platforms import sources

_DELAY_STEP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault: its effect, and its parameters with their defaults."""

    effect: str
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Fault:
    """One fault. It lets the first `after` requests pass, then hits `times` of them (None: all)."""

    id: int
    platform: str
    kind: str
    account_id: str | None = None
    method: str | None = None
    times: int | None = None
    after: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    def number(self, name: str) -> float:
        """Returns a parameter of the fault as a number."""
        return float(self.params[name])


class Faults:
    """The active faults, shared by all servers. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: list[Fault] = []

    def add(
        self,
        platform: str,
        kind: str,
        *,
        account_id: str | None = None,
        method: str | None = None,
        times: int | None = None,
        after: int = 0,
        **params: Any,
    ) -> Fault:
        """Switch a fault on. `method` narrows it to one kind of request, as the request log names it."""
        known = sources()
        kinds = known[platform].faults if platform in known else {}
        if kind not in kinds:
            raise ValueError(f"no fault {kind!r} for {platform!r}: {', '.join(kinds or known)}")
        defaults = kinds[kind].defaults
        if unknown := params.keys() - defaults.keys():
            raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}: {', '.join(defaults) or 'no parameters'}")
        account = None if account_id is None else known[platform].normal_id(account_id)
        with self._lock:
            fault = Fault(next(self._ids), platform, kind, account, method, times, after, {**defaults, **params})
            self._faults.append(fault)
            return fault

    def clear(self, fault_id: int | None = None) -> None:
        """Switch one fault off, or all of them."""
        with self._lock:
            self._faults = [] if fault_id is None else [f for f in self._faults if f.id != fault_id]

    def delay(self, slow: Fault, stopping: threading.Event) -> None:
        """Waits as long as a slow answer takes. Ends early when the fault is switched off or the sandbox stops."""
        until = time.monotonic() + slow.number("delay_s")
        while not stopping.is_set() and self._has(slow) and (left := until - time.monotonic()) > 0:
            stopping.wait(min(left, _DELAY_STEP_SECONDS))

    def _has(self, fault: Fault) -> bool:
        with self._lock:
            return any(other is fault for other in self._faults)

    def active(self) -> list[dict[str, Any]]:
        """The faults that can still hit, with how often they did."""
        with self._lock:
            return [asdict(fault) for fault in self._faults if fault.times != 0]

    def take(self, platform: str, kinds: Iterable[str], *, account_id: str | None, method: str) -> Fault | None:
        """The first fault of these kinds that hits this request. Taking it counts as a hit."""
        wanted = set(kinds)
        with self._lock:
            for fault in self._faults:
                if fault.platform != platform or fault.kind not in wanted or fault.times == 0:
                    continue
                if fault.account_id not in (None, account_id) or fault.method not in (None, method):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                fault.hits += 1
                return fault
        return None
