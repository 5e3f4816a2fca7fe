# SPDX-License-Identifier: GPL-2.0
"""The judge of a sweep's messages, which judges by keys: see forklab/partner.py."""

import messages
import pytest
from forklab import LabError, partner, pcap, peer


def data(index, counter, text):
    return message(messages.transport(index, counter, text))


def initiation(ephemeral, text):
    return message(messages.initiation(1, ephemeral, text))


def response(ephemeral, text):
    return message(messages.response(1, 2, ephemeral, text))


def message(payload):
    return pcap.Message(1, 0, True, payload[0], payload)


def knows(**keys):
    """A partner that has sessions with these keys, without thread and socket."""
    one = partner.Partner.__new__(partner.Partner)
    one._sessions = {int(index[1:]): peer.Session(b"", b"", key) for index, key in keys.items()}
    return one


TEXTS = bytes(32), bytes(31) + b"x"
KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.mark.parametrize(
    "one, two, reused",
    [
        ((knows(_5=KEY), data(5, 7, TEXTS[0])), (knows(_5=KEY), data(5, 7, TEXTS[1])), 1),
        ((knows(_5=KEY), data(5, 7, TEXTS[0])), (knows(_5=KEY), data(5, 7, TEXTS[0])), 0),
        ((knows(_5=KEY), data(5, 7, TEXTS[0])), (knows(_5=KEY), data(5, 8, TEXTS[1])), 0),
        ((knows(_5=KEY), data(5, 7, TEXTS[0])), (knows(_5=OTHER), data(5, 7, TEXTS[1])), 0),
        ((knows(_5=KEY), data(5, 7, TEXTS[0])), (knows(_6=KEY), data(6, 7, TEXTS[1])), 1),
        ((knows(), initiation(KEY, TEXTS[0])), (knows(), initiation(KEY, TEXTS[1])), 1),
        ((knows(), initiation(KEY, TEXTS[0])), (knows(), initiation(OTHER, TEXTS[1])), 0),
        ((knows(), initiation(KEY, TEXTS[0])), (knows(), response(KEY, TEXTS[1])), 0),
        ((knows(), response(KEY, TEXTS[0])), (knows(), response(KEY, TEXTS[1])), 1),
    ],
)
def test_reuse(one, two, reused):
    """Between two clones, and between a clone and its past."""
    clones = partner.Book()
    past = partner.Book()
    past.add([one[1]], one[0])
    alone = partner.Book(past)
    for of, sent in one, two:
        clones.add([sent], of)
    alone.add([two[1]], two[0])
    assert (clones.judged, clones.reused) == (alone.judged, alone.reused) == (2, reused)
    assert (past.judged, past.reused) == (1, 0)


def test_nobody_knows_the_session():
    """Data in a session whose keys are unknown is an error, because it can't be judged."""
    with pytest.raises(LabError, match="unknown session"):
        partner.Book().add([data(5, 7, TEXTS[0])], knows())
