# SPDX-License-Identifier: GPL-2.0
"""Summarizes the rounds of a scene, as a table and as a verdict."""

import statistics

COLUMNS = ("", "forkguard", "wireguard (control)")


HANDSHAKE = ("initiation", "response", "cookie")


def is_caught(one):
    """Was a nonce certainly reused in a round?"""
    return one.verdict.count("transport", *HANDSHAKE) > 0


class Summary:
    """All rounds of one scene with one system."""

    def __init__(self, rounds):
        clones = [t for r in rounds for t in r.clones]
        self.rounds = rounds
        self.splats = rounds[-1].splats
        self.forks = len(rounds)
        self.machines = len(clones)
        self.rate = statistics.mean(r.rate for r in rounds)
        self.judged = sum(r.verdict.judged for r in rounds)
        self.window = sum(r.window for r in rounds)
        self.transport = sum(r.verdict.count("transport") for r in rounds)
        self.handshake = sum(r.verdict.count(*HANDSHAKE) for r in rounds)
        self.reused = sum(r.verdict.reused for r in rounds)
        self.shared = sum(r.shared for r in rounds)
        self.recovered = [t.recovered for t in clones
                          if t.recovered is not None]
        self.first_new = [t.new_sent for t in clones if t.new_sent is not None]

    @property
    def silent(self):
        """The number of machines without data in both directions under a new key in
        time."""
        return self.machines - len(self.recovered)


def milliseconds(times):
    if not times:
        return "never"
    return (f"{1000 * statistics.median(times):.0f} ms, at most "
            f"{1000 * max(times):.0f} ms")


def table(systems):
    """systems: a Summary or None for forkguard, then for the control."""
    rows = (
        ("forks", lambda s: f"{s.forks}"),
        ("machines restored with a new ID", lambda s: f"{s.machines}"),
        ("packets a second before the fork", lambda s: f"{s.rate:.0f}"),
        ("messages judged", lambda s: f"{s.judged}"),
        ("packets sent after the fork under an old key *",
         lambda s: f"{s.window}"),
        ("NONCES REUSED", lambda s: f"{s.transport}"),
        ("handshake ephemerals shared by clones *", lambda s: f"{s.shared}"),
        ("... with different contents: NONCES REUSED",
         lambda s: f"{s.handshake}"),
        ("resume to first packet under a new key",
         lambda s: milliseconds(s.first_new)),
        ("resume to data in both directions",
         lambda s: milliseconds(s.recovered)),
        ("machines silent at the end", lambda s: f"{s.silent}"),
    )
    cells = [COLUMNS] + [
        [label] + [value(s) if s else "-" for s in systems]
        for label, value in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths))
             for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines.append("* Messages encrypted before the fork are sent by every clone "
                 "unchanged, which reveals nothing.")
    return "\n".join(line.rstrip() for line in lines)


def faults(forkguard, control):
    """Why a run failed or is inconclusive; empty if it passed."""
    found = [line for summary in (forkguard, control) if summary
             for line in summary.splats]
    if forkguard:
        if forkguard.reused:
            found.append(f"forkguard: {forkguard.reused} nonces reused")
        if forkguard.silent:
            found.append(f"forkguard: {forkguard.silent} machines silent "
                         "after the fork")
        if not all(r.originals_kept for r in forkguard.rounds):
            found.append("forkguard: an original lost its session")
    if control and not control.transport + control.handshake:
        found.append("inconclusive: the control reused no nonce, so this run "
                     "would not have noticed one")
    return found
