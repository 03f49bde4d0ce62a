"""Results as tables: for the eye on a terminal, and valid Markdown as they are."""

from collections.abc import Sequence
from pathlib import Path

from bench.compare.results import NAMES, Results, aims

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
"""What a run writes of ``benchmarks.md`` stands between these."""

Row = Sequence[str]


def tables(results: Results) -> str:
    """Return all that was found, and name what could not be measured."""
    parts = [_conditions(results)]
    parts += [f"{NAMES[name]} is missing here: {why}" for name, why in results.missing.items()]
    parts += [_side_by_side(results), _large(results), _puts(results), _aims(results)]
    return "\n\n".join(part for part in parts if part)


def publish(docs: Path, text: str, picture: str) -> None:
    """Put tables and chart into the documentation, in the place of those of an earlier run.

    Raises ``ValueError`` where the page has no place for them.
    """
    page = docs / "benchmarks.md"
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks {BEGIN} or {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    (docs / "benchmarks.svg").write_text(picture)


def _conditions(results: Results) -> str:
    return _table([["", ""], *([name, str(value)] for name, value in results.facts.items())])


def _side_by_side(results: Results) -> str:
    parts = []
    for setting in results.rounds:
        rows = [
            [
                NAMES[name],
                f"{m.per_second:.0f}",
                f"{m.cpu_ms:.2f}",
                f"{m.p50_ms:.0f}",
                f"{m.p99_ms:.0f}",
                f"{m.memory_mb:.0f}",
                f"{m.drained_s:.2f}",
                f"{m.requests:.2f}",
            ]
            for name, m in results.medians(setting).items()
        ]
        head = ["", "callbacks/s", "CPU ms", "p50 ms", "p99 ms", "peak MB", "drained s", "requests"]
        parts.append(f"### Storage over {setting}\n\n{_table([head, *rows])}")
    return "\n\n".join(parts)


def _large(results: Results) -> str:
    if not results.large:
        return ""
    head = ["", "MB before", "MB growth", "MB peak"]
    rows = [
        [
            NAMES[name],
            *(f"{mb:.0f}" for mb in (x.before_mb, x.growth_mb, x.peak_mb)),
        ]
        for name, x in results.large.items()
    ]
    return f"### Memory for one file of {results.facts['large file']}\n\n{_table([head, *rows])}"


def _puts(results: Results) -> str:
    head = ["", "put_object CPU ms", "S3 sink CPU ms", "ratio"]
    rows = []
    for how, costs in results.puts.items():
        boto3 = sum(cost.boto3 for cost in costs) / len(costs)
        sinkwell = sum(cost.sinkwell for cost in costs) / len(costs)
        rows.append([how, f"{boto3:.2f}", f"{sinkwell:.2f}", f"{sinkwell / boto3:.2f}"])
    return f"### The put alone\n\n{_table([head, *rows])}"


def _aims(results: Results) -> str:
    head = ["aim", "limit", "found", "verdict"]
    rows = []
    for aim in aims(results):
        low, high = (min(aim.found.values()), max(aim.found.values())) if aim.found else (0, 0)
        found = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
        sign = "≥" if aim.at_least else "≤"
        rows.append([aim.text, f"{sign} {aim.limit:.3g}", found if aim.found else "", aim.verdict])
    return f"### Aims\n\n{_table([head, *rows])}"


def _table(rows: Sequence[Row]) -> str:
    """Lay out ``rows``, the first one being the head; all but the first column to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    ruler = [("-" * widths[0]), *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in (rows[0], ruler, *rows[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
