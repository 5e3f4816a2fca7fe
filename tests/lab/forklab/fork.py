# SPDX-License-Identifier: GPL-2.0
"""Forks guests: one past, several futures, each with a new generation ID."""

import os

from .guest import Guest


def snapshot(guests):
    """Stops guests, as simultaneously as possible, and makes a snapshot of each.
    They stay stopped."""
    for guest in guests:
        guest.stop()
    return [guest.save(os.path.join(guest.folder, f"{guest.name}.snapshot"))
            for guest in guests]


def restore(snapshot, machine, copies, folder, leaves=False):
    """Makes guests from a snapshot. copies maps their names to plugs. They are
    paused until resume(), which continues all of them from the same instant.
    leaves: they will not be forked themselves."""
    guests = [Guest(name, machine, plugs, folder, snapshot, leaves)
              for name, plugs in copies.items()]
    for guest in guests:
        guest.wait_restored()
    return guests


def resume(guests):
    for guest in guests:
        guest.cont()
