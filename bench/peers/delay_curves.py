"""Draw delay curves.

Reads {"title": …, "shares": {shift: {rule: [share by pane 1, 2, …]}}} from standard input; the
picture's path is the argument.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

STYLES = {
    "warning": ("-", "#c77700"),
    "critical": ("-", "#b00020"),
    "ks_bonferroni": ("--", "#345"),
}
WIDE = 4


def main() -> None:
    task = json.load(sys.stdin)
    shares = task["shares"]
    high = -(-len(shares) // WIDE)
    mpl.rcParams["svg.hashsalt"] = "modelmonitor"
    figure, axes = plt.subplots(
        high, WIDE, figsize=(3.2 * WIDE, 2.4 * high), sharex=True, sharey=True, squeeze=False
    )
    for axis, (name, rules) in zip(axes.flat, shares.items(), strict=False):
        for rule, found in rules.items():
            line, colour = STYLES[rule]
            panes = range(1, len(found) + 1)
            axis.step(panes, found, line, where="post", color=colour, label=rule)
        axis.set_title(name, fontsize=8)
        axis.set_xscale("log")
        axis.set_ylim(-0.03, 1.03)
    for axis in axes.flat[len(shares) :]:
        axis.axis("off")
    for axis in axes[-1]:
        axis.set_xlabel("panes since the shift began", fontsize=8)
    figure.suptitle(task["title"], x=0.02, ha="left")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="upper right", ncols=3, fontsize=9)
    figure.tight_layout()
    figure.savefig(Path(sys.argv[1]), metadata={"Date": None})


if __name__ == "__main__":
    main()
