# SPDX-License-Identifier: GPL-2.0
"""Forks guests: one past, several futures, each with a new generation ID."""

import os

from .guest import Guest


def snapshot(guests):
    """Stops guests, as nearly at once as can be, and saves each to a file.
    They stay stopped. Returns the files."""
    for guest in guests:
        guest.stop()
    files = []
    for guest in guests:
        files.append(os.path.join(guest.folder, f"{guest.name}.snapshot"))
        guest.save(files[-1])
    return files


def restore(snapshot_file, machine, copies, folder):
    """Makes guests from a snapshot: copies maps names to plugs. They are
    paused; resume() lets all of them run on from the same instant."""
    guests = [Guest(name, machine, plugs, folder, snapshot_file)
              for name, plugs in copies.items()]
    for guest in guests:
        guest.wait_restored()
    return guests


def resume(guests):
    for guest in guests:
        guest.cont()
