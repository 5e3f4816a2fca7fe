# SPDX-License-Identifier: GPL-2.0
"""The parameter replace_wireguard is refused by a kernel that has WireGuard built in."""

import pytest
import uml

MODULE = uml.TOP / "build" / "um" / "forkguard.ko"

SCRIPT = f"""
rmmod forkguard
dmesg -C
for i in 1 2 3; do
	! insmod {MODULE} replace_wireguard=1 || exit 1
done
echo --
dmesg -t --level err
echo --
! grep forkguard /proc/modules
! ip link add fwg0 type forkguard 2>/dev/null
! fwg generation 2>/dev/null
ip link add wg0 type wireguard
wg show interfaces
# Runs the pending exit functions of a namespace now.
unshare -n true
echo --
insmod {MODULE}
stat -c %a /sys/module/forkguard/parameters/replace_wireguard
cat /sys/module/forkguard/parameters/replace_wireguard
ip link add fwg0 type forkguard
fwg show interfaces
! fwg show wg0
! wg show fwg0
"""


@pytest.fixture(scope="module", name="result")
def fixture_result(tmp_path_factory):
    return uml.run_scripts({"refused": SCRIPT}, tmp_path_factory.mktemp("scripts"))["refused"]


@pytest.fixture(name="parts")
def fixture_parts(result):
    assert result.status == 0, result
    return [part.splitlines() for part in result.out.split("--\n")]


def test_refused_as_what_modprobe_takes_for_an_error(result):
    """modprobe takes EEXIST for a loaded module, and reports success."""
    refusals = [line for line in result.errors if "insmod" in line]
    assert len(refusals) == 3
    assert all(line.endswith("Device or resource busy") for line in refusals)


def test_one_message_that_says_what_to_do(parts):
    assert len(parts[1]) == 3 and len(set(parts[1])) == 1
    assert parts[1][0].startswith("forkguard: replace_wireguard is refused")
    assert "rmmod wireguard" in parts[1][0] and "blacklist" in parts[1][0]


def test_nothing_is_left_and_wireguard_unharmed(parts):
    assert parts[2] == ["wg0"]


def test_without_it_both_are_there_and_apart(parts, result):
    assert parts[3] == ["444", "N", "fwg0"]
    assert result.errors[-2:] == [
        "fwg: Unable to access interface wg0: Operation not supported "
        "(not a forkguard interface)",
        "Unable to access interface: Operation not supported"]
