"""What a whole run found, and whether the aims were reached."""

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from bench.compare.measure import Large, Round, median
from bench.compare.put_alone import PutCost
from bench.compare.receivers import EXPRESS, FLASK, RECEIVERS, SINKWELL, Receiver
from bench.compare.storage import Scenario

SLOW_MS, CROWD = 100, 64
"""The storage latency and the number of clients for which some aims are set."""


@dataclass(frozen=True)
class Setting:
    """Under what conditions receivers were measured beside each other."""

    scenario: Scenario
    clients: int

    def __str__(self) -> str:
        return f"{self.scenario}, {self.clients} clients"


@dataclass
class Results:
    """Everything that was measured."""

    rounds: dict[Setting, dict[str, list[Round]]] = field(default_factory=dict)
    """By receiver id."""
    large: dict[str, Large] = field(default_factory=dict)
    puts: dict[str, list[PutCost]] = field(default_factory=dict)
    """By the words for how they were put."""
    missing: dict[str, str] = field(default_factory=dict)
    """Receivers that could not be installed, and why."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Where and how this was measured."""

    def medians(self, setting: Setting) -> dict[str, Round]:
        """Return the medians of each receiver."""
        return {name: median(rounds) for name, rounds in self.rounds[setting].items()}

    def as_json(self) -> dict[str, Any]:
        """Return all figures, rounds and medians."""
        return {
            "facts": self.facts,
            "missing": self.missing,
            "settings": [
                {
                    "tls": setting.scenario.tls,
                    "latency_ms": setting.scenario.latency_ms,
                    "clients": setting.clients,
                    "receivers": {
                        name: {"median": asdict(median(each)), "rounds": [asdict(r) for r in each]}
                        for name, each in rounds.items()
                    },
                }
                for setting, rounds in self.rounds.items()
            ],
            "large_file": {name: asdict(large) for name, large in self.large.items()},
            "puts": {how: [asdict(cost) for cost in costs] for how, costs in self.puts.items()},
            "aims": [
                {"aim": a.text, "limit": a.limit, "found": a.found, "verdict": a.verdict}
                for a in aims(self)
            ],
        }


@dataclass(frozen=True)
class Aim:
    """A bound on a figure, and what was found under each of the conditions that it is for."""

    text: str
    limit: float
    found: dict[str, float]
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Say whether it was reached, where, or why that cannot be said."""
        if not self.found:
            return "not measured"
        held = [
            (f >= self.limit) if self.at_least else (f <= self.limit) for f in self.found.values()
        ]
        if all(held):
            return "reached"
        return f"reached in {sum(held)} of {len(held)}" if any(held) else "not reached"


def aims(results: Results) -> list[Aim]:
    """Compare the medians with what Sinkwell wants to be."""
    slow = f"at {SLOW_MS} ms and {CROWD} clients"
    puts = {
        how: sum(cost.sinkwell for cost in costs) / sum(cost.boto3 for cost in costs)
        for how, costs in results.puts.items()
    }
    growth = {name: large.growth_mb for name, large in results.large.items()}
    growth = {"http, 0 ms": growth[SINKWELL.id]} if SINKWELL.id in growth else {}
    cpu = partial(_ratios, results, "cpu_ms")
    p99 = partial(_ratios, results, "p99_ms", slow=True)
    speed = partial(_ratios, results, "per_second", slow=True)
    return [
        Aim("CPU a callback, of Flask + boto3's", 1 / 3, cpu(FLASK)),
        Aim("CPU a callback, of multer-s3's", 0.7, cpu(EXPRESS)),
        Aim("CPU of the put alone, of put_object's", 0.3, puts),
        Aim(f"answer p99 {slow}, of Flask's", 1 / 3, p99(FLASK)),
        Aim(f"callbacks/s {slow}, times Flask's", 5, speed(FLASK), at_least=True),
        Aim(f"callbacks/s {slow}, times multer-s3's", 1.5, speed(EXPRESS), at_least=True),
        Aim(f"seconds until drained {slow}", 3, _drained(results)),
        Aim("MB of growth for the large file", 32, growth),
    ]


def _is_slow(setting: Setting) -> bool:
    return (setting.scenario.latency_ms, setting.clients) == (SLOW_MS, CROWD)


def _ratios(
    results: Results, figure: str, other: Receiver, *, slow: bool = False
) -> dict[str, float]:
    """Divide Sinkwell's figure by that of ``other``, under all conditions or the slow ones."""
    found = {}
    for setting in results.rounds:
        medians = results.medians(setting)
        if {SINKWELL.id, other.id} <= medians.keys() and (_is_slow(setting) or not slow):
            ours, theirs = (getattr(medians[one.id], figure) for one in (SINKWELL, other))
            found[str(setting)] = ours / theirs
    return found


def _drained(results: Results) -> dict[str, float]:
    slow = {
        str(setting): results.medians(setting) for setting in results.rounds if _is_slow(setting)
    }
    return {name: m[SINKWELL.id].drained_s for name, m in slow.items() if SINKWELL.id in m}


NAMES = {receiver.id: receiver.name for receiver in RECEIVERS}
