"""The chart of the README: four panels of bars, as an SVG that needs no font and no script.

It brings its own background, light or dark as the reader's system asks, so that it can be read
on any page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from bench.compare.receivers import SINKWELL
from bench.compare.results import CROWD, NAMES, SLOW_MS, Results, Setting
from bench.compare.storage import Scenario

WIDTH, PANEL_WIDTH, MARGIN = 860, 400, 20
TITLE, BAR, GAP, LABELS = 46, 18, 8, 138
CALM = Setting(Scenario(tls=True, latency_ms=0), 16)
SLOW = Setting(Scenario(tls=True, latency_ms=SLOW_MS), CROWD)

STYLE = """
.card { fill: #ffffff; stroke: #d0d7de; }
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f; }
.title { font-size: 14px; font-weight: 600; }
.small { font-size: 11px; fill: #57606a; }
.ours { fill: #0b7a75; }
.other { fill: #afb8c1; }
.strong { font-weight: 600; }
@media (prefers-color-scheme: dark) {
  .card { fill: #161b22; stroke: #30363d; }
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .ours { fill: #2dd4bf; }
  .other { fill: #57606a; }
}
"""


@dataclass(frozen=True)
class Panel:
    """One figure of all receivers."""

    title: str
    note: str
    values: dict[str, float]
    form: str = ".0f"


def chart(results: Results) -> str:
    """Draw what ``results`` hold of the four figures that matter most."""
    panels = [panel for panel in _panels(results) if panel.values]
    rows = max(len(panel.values) for panel in panels)
    height = TITLE + rows * (BAR + GAP) + MARGIN
    total = (len(panels) + 1) // 2 * height + 64
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" role="img" ',
        f'width="{WIDTH}" height="{total}" aria-label="{escape(_spoken(panels))}">',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{total - 1}" rx="8"/>',
    ]
    for number, panel in enumerate(panels):
        x = MARGIN + number % 2 * (PANEL_WIDTH + MARGIN)
        y = 16 + number // 2 * height
        parts.append(f'<g transform="translate({x} {y})">{"".join(_bars(panel))}</g>')
    for number, line in enumerate(_caption(results)):
        parts.append(
            f'<text class="small" x="{MARGIN}" y="{total - 32 + 16 * number}">{line}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _panels(results: Results) -> Iterator[Panel]:
    calm, slow = (
        results.medians(setting) if setting in results.rounds else {} for setting in (CALM, SLOW)
    )
    crowd = f"storage that takes {SLOW_MS} ms, {CROWD} clients: "
    yield Panel(
        "CPU a callback, ms",
        "receiving and storing, all processes: less is better",
        {name: one.cpu_ms for name, one in calm.items()},
        ".2f",
    )
    yield Panel(
        "Callbacks a second",
        f"{crowd}more is better",
        {name: one.per_second for name, one in slow.items()},
    )
    yield Panel(
        "Slowest answers (p99), ms",
        f"{crowd}less is better",
        {name: one.p99_ms for name, one in slow.items()},
    )
    yield Panel(
        f"Peak memory with a file of {results.facts['large file']}, MB",
        "all processes: less is better",
        {name: one.peak_mb for name, one in results.large.items()},
    )


def _bars(panel: Panel) -> Iterator[str]:
    yield f'<text class="title" y="14">{escape(panel.title)}</text>'
    yield f'<text class="small" y="31">{escape(panel.note)}</text>'
    room = PANEL_WIDTH - LABELS - 52
    most = max(panel.values.values())
    for number, (name, value) in enumerate(panel.values.items()):
        y = TITLE + number * (BAR + GAP)
        ours = name == SINKWELL.id
        strong = ' class="strong"' if ours else ""
        width = max(2.0, room * value / most)
        yield f'<text{strong} x="0" y="{y + 13}">{escape(NAMES[name])}</text>'
        yield (
            f'<rect class="{"ours" if ours else "other"}" x="{LABELS}" y="{y}" '
            f'width="{width:.1f}" height="{BAR}" rx="2"/>'
        )
        yield f'<text{strong} x="{LABELS + width + 6:.1f}" y="{y + 13}">{value:{panel.form}}</text>'


def _caption(results: Results) -> list[str]:
    facts = results.facts
    return [
        escape(
            f"Files of {facts['file']} into the same null S3 endpoint over TLS, one machine with "
            f"{facts['cores']} cores, medians of {facts['rounds']} interleaved rounds."
        ),
        escape(
            "Only Sinkwell hashes each file and has it durable on disk before it answers. "
            f"Made by: {facts['command']}"
        ),
    ]


def _spoken(panels: list[Panel]) -> str:
    return " ".join(
        f"{panel.title}: "
        + ", ".join(f"{NAMES[name]} {value:{panel.form}}" for name, value in panel.values.items())
        + "."
        for panel in panels
    )
