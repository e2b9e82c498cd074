"""Run the measures and write the table: `python -m benchmarks --help`."""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import (
    auditing,
    cold,
    data,
    endpoint_throughput,
    guarding,
    learning,
    measuring,
    process,
    report,
    volume,
)
from .environments import Unavailable, interpreter, versions
from .tasks import Task

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
# repeats of the quick and of the full run
FAMILIES = {
    learning: (1, 5),
    volume: (1, 3),
    cold: (3, 3),
    measuring: (2, 5),
    auditing: (1, 3),
    guarding: (1, 1),
    endpoint_throughput: (1, 1),
}
SECTIONS = {
    "learning": (learning, volume, cold),
    "measuring": (measuring,),
    "auditing": (auditing,),
    "guarding": (guarding, endpoint_throughput),
}


def _options() -> argparse.Namespace:
    measures = sorted({t.measure for family in FAMILIES for t in family.tasks(1)})
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        default=[],
        help="measures, cases or data sets whose tasks are run, by the start of their name: "
        + ", ".join(measures),
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats, no slow tasks")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    parser.add_argument("--publish", action="store_true", help=f"also put the tables into {PAGE}")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": named[0] if named else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "?",
        "memory": f"{memory:.0f} GiB",
        "Python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _measure(task: Task, python: Path) -> dict[str, Any]:
    if not task.whole_process:
        found, cost = process.call(
            python, task.function, task.arguments, task.limit_s, task.memory_gb
        )
        return {**found, "peak_mb": cost.peak_mb}
    costs = []
    for _ in range(task.repeats):
        with tempfile.TemporaryDirectory() as scratch:
            env = {task.fresh_cache: scratch} if task.fresh_cache else {}
            command = [part.format(scratch=scratch) for part in task.command]
            if not command:
                command = process.child(task.function, task.arguments, Path(scratch) / "answer")
            costs.append(process.run([str(python), *command], task.limit_s, env))
    names = ("wall_s", "cpu_s", "peak_mb")
    return {n: statistics.median(getattr(c, n) for c in costs) for n in names} | {"figures": {}}


def _row(task: Task) -> dict[str, Any]:
    names = {"measure": task.measure, "case": task.case, "competitor": task.competitor}
    row: dict[str, Any] = {**names, "status": "ok", "reason": "", "figures": {}}
    missing = [table for table in task.tables if not data.available(table)]
    if missing:
        reason = f"skipped: no data set {', '.join(missing)} at {data.path(missing[0])}"
        return {**row, "status": "skipped", "reason": reason}
    try:
        python = interpreter(task.environment)
        if task.prepare:
            process.call(Path(sys.executable), *task.prepare, 600)
        return row | _measure(task, python)
    except Unavailable as problem:
        return {**row, "status": "not available", "reason": f"not available: {problem}"}
    except process.OutOfMemory as problem:
        return {**row, "status": "ran out", "reason": f"ran out of memory: {problem}"}
    except RuntimeError as problem:
        return {**row, "status": "failed", "reason": f"failed: {problem}"}


def _publish(results: dict[str, Any]) -> None:
    """Each section of the page that has rows in this run gets a table of them."""
    page = PAGE.read_text(encoding="utf-8")
    for name, families in SECTIONS.items():
        measures = {task.measure for family in families for task in family.tasks(1)}
        rows = [row for row in results["rows"] if row["measure"] in measures]
        if rows:
            begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
            before, _, rest = page.partition(begin)
            table = report.table({**results, "rows": rows})
            page = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    PAGE.write_text(page, encoding="utf-8")


def _chosen(options: argparse.Namespace) -> list[Task]:
    short = options.quick
    every = [
        task
        for family, (few, many) in FAMILIES.items()
        for task in family.tasks(few if short else many)
    ]
    return [
        task
        for task in every
        if (task.quick if short else task.full) and (not options.only or _named(options.only, task))
    ]


def _named(starts: list[str], task: Task) -> bool:
    return any(
        name.startswith(s) for s in starts for name in (task.measure, task.case, *task.tables)
    )


def main() -> int:
    """Run what was asked for; 1 when a task failed or a requirement was not met."""
    options = _options()
    tasks, machine, rows = _chosen(options), _machine(), []
    if not tasks:
        print("no task has such a name; see --help", file=sys.stderr)
        return 2
    for count, task in enumerate(tasks, 1):
        label = f"{task.measure}: {task.case}: {task.competitor}"
        print(f"[{count}/{len(tasks)}] {label}", file=sys.stderr, flush=True)
        rows.append(_row(task))
    for task, row in zip(tasks, rows, strict=True):
        row["ours_beside_best_peer"] = report.ours_beside_peers(row, rows)
        row["required"] = report.verdicts(row, task.limits, rows)
    results = {"machine": machine, "versions": versions(), "rows": rows}
    options.out.mkdir(parents=True, exist_ok=True)
    text = report.table(results)
    (options.out / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (options.out / "results.md").write_text(text, encoding="utf-8")
    print(text)
    if options.publish:
        _publish(results)
    unmet = any(v["met"] is False for row in rows for v in row["required"])
    return int(unmet or any(row["status"] == "failed" for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
