"""What is promised, what was done against it, and what was counted: each test's row of the table, and the table."""

import os

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))  # how often each fault is injected: `make faults` says more
# What there must be none of, as it is written at the head of a column.
NONE_OF = {
    "lost": "acked without a row",
    "twice": "twice",
    "gaps": "gaps",
    "duplicates": "duplicates",
    "canaries": "canaries",
    "failed": "failed requests",
}
HEAD = ["promise", "injected", "times", "tried", *NONE_OF.values(), "healed in (s)", "test"]
PROPERTY = "kept"


class Kept:
    """Notes what a test did against a promise. What there must be none of is asserted, after it was noted."""

    def __init__(self, note):
        """`note(counts)`: called with each."""
        self._note = note

    def __call__(self, *, times, tried=None, healed=None, **none_of):
        """`times`: faults injected; `tried`: what was acknowledged or delivered; `healed`: the longest, in seconds."""
        self._note({"times": times, "tried": tried, "healed": healed, **none_of})
        assert dict.fromkeys(none_of, 0) == none_of
        assert none_of.keys() <= NONE_OF.keys()


def table(reports):
    """The rows of all tests that promise something, as Markdown. `reports`: pytest's, of the calls of tests."""
    rows = {}
    for report in reports:
        told = dict(report.user_properties)
        if "promise" not in told:
            continue
        sentence, injected = told["promise"]
        test = report.nodeid.partition("[")[0]
        row = rows.setdefault(test, {"promise": sentence, "injected": injected, "passed": True})
        row["passed"] &= report.passed
        for counts in [value for name, value in report.user_properties if name == PROPERTY]:
            _add(row, counts)
    lines = [HEAD, ["---"] * len(HEAD)]
    for test, row in sorted(rows.items(), key=lambda found: found[1]["promise"]):
        place = f"[{test.partition('::')[2]}](../{test.partition('::')[0]})"
        counts = [str(row.get(name, "")) for name in ("times", "tried", *NONE_OF)]
        healed = f"{row['healed']:.1f}" if "healed" in row else ""
        lines.append(
            [row["promise"], row["injected"], *counts, healed, place if row["passed"] else f"**BROKEN** {place}"]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _add(row, counts):
    for name, value in counts.items():
        if value is not None:
            row[name] = max(row.get(name, 0), value) if name == "healed" else row.get(name, 0) + value
