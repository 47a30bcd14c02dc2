"""`python -m benchmarks [--quick] [ROW ...]`: measure, and print each figure beside its floor and target."""

import argparse
import importlib
import os
import platform

from benchmarks.options import Options

#: Row name -> module with `run(options)`. Each imports Django into a home of its own, so rows are loaded late.
ROWS = {
    "identify": "benchmarks.identify",
    "merged": "benchmarks.merged",
    "events": "benchmarks.email_events",
    "endpoints": "benchmarks.endpoints",
    "loop": "benchmarks.loop",
    "people": "benchmarks.people",
    "neighbour": "benchmarks.neighbour",
    "pages": "benchmarks.pages",
    "warehouse": "benchmarks.warehouse",
    "burst": "benchmarks.burst",
    "campaign": "benchmarks.campaign",
    "identity": "benchmarks.identity",
    "engage": "benchmarks.engage",
    "parsing": "benchmarks.parsing",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer rounds")
    given = parser.parse_args()
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("Figures are medians with the lowest and the highest sample; samples are interleaved A-B-B-A.")
    os.environ["JETBRIDGE_ALLOW_PRIVATE_NETWORKS"] = "127.0.0.0/8"  # where the sandbox is
    for row in given.rows or ROWS:
        importlib.import_module(ROWS[row]).run(Options(quick=given.quick))


if __name__ == "__main__":
    main()
