# SPDX-License-Identifier: GPL-2.0
"""Draws a fork: the nonce counters of the packets that two clones send over
time, one panel for each system, as SVG."""

import math
import statistics

from . import pcap

AFTER = 80          # ms shown after the last clone has sent under a new key
BEFORE = 0.2        # the share of the time shown that is before the fork
LEAST_SPAN = 40     # counters shown on each side of the fork
MARGIN, END, WIDTH = 84, 936, 960
TOP, OLD, GAP, NEW = 92, 148, 36, 88
HEIGHT = OLD + GAP + NEW + 100   # of a panel, with its heading
NAMES = {"forkguard": "forkguard", "wireguard": "stock WireGuard"}
WORDS = {
    "forkguard": "Nothing encrypted after the fork leaves under the old key; "
                 "each clone makes a new session.",
    "wireguard": "Both clones go on under the old key until the kernel's fork "
                 "notification reaches WireGuard.",
}
SERIES = ("one", "two")

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 18px; font-weight: 600 }
.name { font-size: 16px; font-weight: 600 }
.small { fill: #59636e; font-size: 12px }
.page { fill: #ffffff }
.band { fill: #f3f5f7 }
.grid { stroke: #d1d9e0; fill: none }
.fork { stroke: #59636e; fill: none; stroke-dasharray: 4 3 }
.dots { fill: none; stroke-width: 4.4; stroke-linecap: round }
.bar { fill: none; stroke-width: 5; stroke-linecap: butt }
.past { stroke: #818b98 }
.one { stroke: #0072b2 }
.two { stroke: #b07800 }
.dots.two { stroke-linecap: square; stroke-width: 3.4 }
.reuse, .link { stroke: #c2185b; fill: none; stroke-width: 1.2 }
.link { stroke-width: 0.8; opacity: 0.4 }
.hot { fill: #c2185b }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.page { fill: #0d1117 }
.band { fill: #161b22 }
.grid { stroke: #2f363e }
.fork { stroke: #9198a1 }
.one { stroke: #56b4e9 }
.two { stroke: #e6a700 }
.reuse, .link { stroke: #ff7eb0 }
.hot { fill: #ff7eb0 }
}
"""


def typical(rounds):
    """The number of the round to draw: the median, by reused nonces, of the rounds
    with any; or None."""
    counts = [r.verdict.count("transport") for r in rounds]
    caught = [count for count in counts if count]
    return counts.index(statistics.median_low(caught)) if caught else None


def describe(systems):
    """The data of the picture, in plain lists and numbers, or None if there is
    nothing to show. systems: the rounds of each. The control is the last; its
    typical round determines which round of each is drawn. Times are milliseconds
    after the clones were resumed. Packets under the old key are [time, counter,
    whether fwg-audit found the nonce reused], others are [time, counter]."""
    number = typical(systems[-1])
    if number is None or not all(rounds[number].recovered
                                 for rounds in systems):
        return None
    drawn = [rounds[number] for rounds in systems]
    end = AFTER + 1000 * max(clone.new_sent for result in drawn
                             for clone in result.clones)
    return {"kernel": drawn[0].kernel, "fork": number + 1,
            "forks": len(systems[-1]), "end": round(end, 3),
            "systems": [describe_round(result, end) for result in drawn]}


def describe_round(result, end):
    reused = {(place["file"], place["packet"])
              for reuse in result.verdict.reuses
              if reuse["kind"] == "transport"
              for place in (reuse["a"], reuse["b"])}
    past = data(result.clones[0].before())
    old = past[-1][1].receiver
    clones = []
    for clone in result.clones:
        seen = clone.after()
        clones.append({
            "handshake": handshake(clone.before(), seen),
            "old": [[when, m.counter, (clone.path, m.number) in reused]
                    for when, m in data(seen) if m.receiver == old],
            "new": [[when, m.counter] for when, m in data(seen)
                    if m.receiver not in clone.old and when < end]})
    return {"name": result.system,
            "next": past[-1][1].counter + 1,
            "past": [[when, m.counter] for when, m in past
                     if m.receiver == old and when >= -BEFORE * end],
            "clones": clones}


def data(seen):
    return [(when, m) for when, m in seen
            if m.sent and m.kind == pcap.TRANSPORT]


def handshake(before, after):
    """When the first handshake that ended after the fork began and ended."""
    begun = {m.receiver: when for when, m in before
             if m.kind == pcap.INITIATION}
    for when, m in after:
        if m.kind == pcap.INITIATION:
            begun[m.receiver] = when
        elif m.kind == pcap.RESPONSE and m.receiver in begun:
            return [begun[m.receiver], when]
    return None


class Scale:
    """Maps a range of values to a range of places in the picture."""

    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value):
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, count):
        """Round numbers on the scale; count: about how many."""
        rough = (self.high - self.low) / count
        unit = 10 ** math.floor(math.log10(rough))
        step = max(1, next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough))
        return range(int(math.ceil(self.low / step) * step),
                     int(self.high) + 1, int(step))

    def holds(self, value):
        return self.low <= value <= self.high


def text(x, y, words, kind="", anchor="start"):
    kind = kind and f' class="{kind}"'
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{kind}>{words}</text>'


def plural(number, word):
    return f"{number} {word}" + "s" * (number != 1)


def path(kind, steps):
    return f'<path class="{kind}" d="{"".join(steps)}"/>'


def dots(kind, points, across, up):
    return path(f"dots {kind}", (
        f"M{across(when)} {up(counter)}h.01" for when, counter, *_ in points
        if across.holds(when) and up.holds(counter)))


def crosses(clones, across, up):
    """Marks each packet with a reused nonce, and connects the two of one nonce."""
    uses = [{counter: when for when, counter, reused in clone["old"] if reused}
            for clone in clones]
    yield path("link", (
        f"M{across(uses[0][counter])} {up(counter)}H{across(uses[1][counter])}"
        for counter in sorted(uses[0].keys() & uses[1].keys())))
    yield path("reuse", (
        f"M{across(when) - 2.5:.1f} {up(counter) - 2.5:.1f}l5 5m0-5l-5 5"
        for use in uses for counter, when in use.items()))


def band(across, up, name):
    """The background of a range of counters."""
    yield (f'<rect class="band" x="{across.start}" y="{up.end}" '
           f'width="{across.end - across.start}" '
           f'height="{up.start - up.end}"/>')
    for counter in up.ticks(5):
        yield path("grid", f"M{across.start} {up(counter)}H{across.end}")
        yield text(across.start - 8, up(counter) + 4, f"{counter:,}", "small",
                   "end")
    middle = (up.start + up.end) / 2
    yield (f'<text class="small" text-anchor="middle" '
           f'transform="translate(24 {middle:g}) rotate(-90)">{name}</text>')


def panel(system, y, span, across):
    """The panel of a system: above, the session from before the fork; below, new ones."""
    clones = system["clones"]
    up = Scale(system["next"] - span, system["next"] + span, y + OLD, y)
    below = y + OLD + GAP
    new = Scale(0, max(counter for clone in clones
                       for _, counter in clone["new"]) + 1, below + NEW, below)
    count = reused(system)
    yield text(across.start, y - 32, NAMES[system["name"]], "name")
    yield text(across.start, y - 11, WORDS[system["name"]], "small")
    yield text(across.end, y - 32, plural(count, "nonce") + " reused",
               "name hot" if count else "name", "end")
    yield text(across.end, y - 11, plural(sum(
        len(clone["old"]) for clone in clones), "packet") +
        " under the old key", "small", "end")
    yield from band(across, up, "old session")
    yield from band(across, new, "new sessions")
    yield path("fork", f"M{across(0)} {up.end - 4}V{new.start}")
    yield dots("past", system["past"], across, up)
    first = across.end
    for number, (kind, clone) in enumerate(zip(SERIES, clones)):
        yield dots(kind, clone["old"], across, up)
        yield dots(kind, clone["new"], across, new)
        if clone["handshake"]:
            begun, ended = map(across, clone["handshake"])
            yield path(f"bar {kind}", f"M{begun} "
                       f"{up.start + 12 + 12 * number}H{ended + 2}")
            first = min(first, begun)
    yield text(first - 8, up.start + 22, "handshake", "small", "end")
    yield from crosses(clones, across, up)


def reused(system):
    return len({counter for clone in system["clones"]
                for _, counter, again in clone["old"] if again})


def draw(fork):
    """Draws a fork, from the data of describe(), as SVG."""
    systems = fork["systems"]
    span = max([LEAST_SPAN] + [
        1.5 * (counter - system["next"]) for system in systems
        for clone in system["clones"]
        for _, counter, again in clone["old"] if again])
    across = Scale(-BEFORE * fork["end"], fork["end"], MARGIN, END)
    height = TOP + HEIGHT * len(systems)
    counts = " and ".join(f"{NAMES[system['name']]} {reused(system)}"
                          for system in systems)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} '
        f'{height}" role="img" aria-labelledby="title desc">',
        '<title id="title">Nonce counters of two clones after a fork</title>',
        '<desc id="desc">Time runs to the right, nonce counters upwards. '
        f"Nonces reused in this fork: {counts}.</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        text(MARGIN, 34, "A guest forked into two clones: the nonce counters "
             "of the packets they send", "title"),
        *legend(MARGIN, 64)]
    for number, system in enumerate(systems):
        lines += panel(system, TOP + 44 + number * HEIGHT, span, across)
    for when in across.ticks(10):
        lines.append(text(across(when), height - 38, when, "small", "middle"))
    lines.append(text(END, height - 16, "milliseconds after the clones were "
                      f"resumed (Linux {fork['kernel']}, fork {fork['fork']} "
                      f"of {fork['forks']})", "small", "end"))
    return "\n".join(lines) + "\n</svg>\n"


def legend(x, y):
    for kind, words, width in (
            ("dots past", "before the fork", 140), ("dots one", "clone 1", 90),
            ("dots two", "clone 2", 90)):
        yield path(kind, f"M{x} {y - 4}h.01")
        yield text(x + 10, y, words)
        x += width
    yield path("link", f"M{x} {y - 4}h20")
    yield path("reuse", f"M{x - 2.5} {y - 6.5}l5 5m0-5l-5 5m20 0l5-5m-5 0l5 5")
    yield text(x + 32, y, "one nonce, two different ciphertexts")
