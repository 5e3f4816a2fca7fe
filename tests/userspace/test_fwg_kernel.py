# SPDX-License-Identifier: GPL-2.0
"""fwg with the real module, and `wg` with stock WireGuard as the oracle.

@script gives a test's script for user-mode Linux. All scripts, except those marked as alone, run in
one boot, each in a network namespace of its own. The test gets its script's Result.
"""

import base64
import errno
import json
import random
import re
import subprocess

import pytest
import semantics
import uml

SCRIPTS = {}
ALONE = set()  # the scripts that get a boot of their own

A = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
B = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
C = "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
D = "DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDA="
PRIVATE = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
PUBLIC = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
PSK = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE="

SETUP = f"""\
ips 'link set lo up' 'link add fwg0 type forkguard' 'link add wg0 type wireguard'
A={A} B={B} C={C} D={D} PRIVATE={PRIVATE} PUBLIC={PUBLIC} PSK={PSK}
both() {{ fwg "$1" fwg0 "${{@:2}}"; wg "$1" wg0 "${{@:2}}"; }}
"""

FULL = """\
echo $PRIVATE >private
echo $PSK >psk
both set listen-port 51820 fwmark 0xcafe private-key private \\
	peer $A preshared-key psk endpoint 192.0.2.1:1234 persistent-keepalive 25 \\
		allowed-ips 10.0.0.0/8,192.168.4.4/32,fd00::/8 \\
	peer $B endpoint [2001:db8::1]:65535 allowed-ips 0.0.0.0/0,::/0 \\
	peer $C
"""

FIELDS = ("public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips "
          "latest-handshakes transfer persistent-keepalive dump").split()


def script(text, setup=SETUP, alone=False):
    """Runs the test's script before the first test, with all others or alone."""
    def mark(test):
        SCRIPTS[test.__name__] = setup + text
        if alone:
            ALONE.add(test.__name__)
        return test
    return mark


@pytest.fixture(scope="module", name="results")
def fixture_results(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("libraries")
    for name in ("pause", "spoil"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / f"{name}.so",
                        uml.TOP / f"tests/userspace/{name}.c", "-ldl"], check=True, timeout=60)
    wanted = {item.originalname for item in request.session.items} & set(SCRIPTS)
    found = {}
    for boot in filter(None, [wanted - ALONE, *({name} for name in wanted & ALONE)]):
        found |= uml.run_scripts({name: f"SCRIPTS={folder}\n{SCRIPTS[name]}" for name in boot},
                                 tmp_path_factory.mktemp("boot"))
    return found


@pytest.fixture(name="result")
def fixture_result(results, request):
    return results[request.function.__name__]


def parts(result):
    """The parts of a script's output between lines of --; the script must have succeeded."""
    assert result.status == 0, result
    return result.out.split("--\n")


def assert_same(result):
    """The parts are pairs, fwg's and wg's, which are equal except for the interface's name."""
    pieces = parts(result)
    assert len(pieces) % 2 == 0 and any(pieces)
    for ours, theirs in zip(pieces[::2], pieces[1::2]):
        assert ours.replace("fwg", "wg") == theirs
    return pieces[::2]


# The output is that of wg.

@script("; echo --\n".join(f"fwg show fwg0 {field}; echo --; wg show wg0 {field}"
                           for field in FIELDS))
def test_fields_of_an_empty_interface(result):
    assert_same(result)


@script(FULL + "; echo --\n".join(f"fwg show fwg0 {field}; echo --; wg show wg0 {field}"
                                  for field in FIELDS))
def test_fields(result):
    shown = dict(zip(FIELDS, assert_same(result)))
    assert shown["listen-port"] == "51820\n"
    assert shown["fwmark"] == "0xcafe\n"
    assert shown["peers"].count("\n") == 3
    assert "\t10.0.0.0/8 192.168.4.4/32 fd00::/8\n" in shown["allowed-ips"]
    assert "\t192.0.2.1:1234\n" in shown["endpoints"]
    assert "\t[2001:db8::1]:65535\n" in shown["endpoints"]
    assert "\t25\n" in shown["persistent-keepalive"]
    assert shown["dump"].count("\t") == 3 + 3 * 7


@script(FULL + """\
ips 'link add fwg1 type forkguard' 'link add wg1 type wireguard'
""" + "; echo --\n".join(f"fwg show all {field}; echo --; wg show all {field}"
                         for field in FIELDS))
def test_fields_of_all(result):
    for shown in assert_same(result):
        assert re.search(r"^fwg0\t", shown, flags=re.M)


@script("""\
ips 'link add fwg1 type forkguard' 'link add wg1 type wireguard'
fwg show interfaces; echo --; wg show interfaces
""")
def test_interfaces(result):
    assert sorted(assert_same(result)[0].split()) == ["fwg0", "fwg1"]


@script("""
fwg show interfaces; fwg show; fwg show all dump
echo --
wg show interfaces; wg show; wg show all dump
echo --
fwg show --json interfaces; fwg show --json
""", setup="")
def test_no_interface(result):
    ours, theirs, as_json = parts(result)
    assert ours == theirs == ""
    assert as_json == "[]\n[]\n"


OURS = ("generation", "fork check", "forks seen", "last reset")


def without_forks(text):
    """The text without the lines that wg does not print."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not any(f"  {word}: " in line.replace(
        "\x1b[1m", "").replace("\x1b[0m", "") for word in OURS))


def assert_same_pretty(result):
    ours, theirs = parts(result)
    assert without_forks(ours) != ours
    assert without_forks(ours).replace("fwg", "wg") == theirs
    return ours


@script(FULL + "fwg show; echo --; wg show")
def test_pretty(result):
    shown = assert_same_pretty(result)
    assert "  private key: (hidden)\n" in shown
    assert "  preshared key: (hidden)\n" in shown
    assert "\x1b" not in shown
    for word in OURS:
        assert shown.count(f"  {word}: ") == 1


@script(FULL + "export WG_HIDE_KEYS=never; fwg; echo --; wg")
def test_pretty_with_secrets(result):
    shown = assert_same_pretty(result)
    assert PRIVATE in shown
    assert PSK in shown


@script(FULL + "export WG_HIDE_KEYS= WG_COLOR_MODE=always; fwg show fwg0; echo --; wg show wg0")
def test_pretty_in_colour(result):
    shown = assert_same_pretty(result)
    assert "\x1b[32m\x1b[1minterface" in shown
    assert "(hidden)" in shown


@script("""\
ips 'link add fwg1 type forkguard' 'link add wg1 type wireguard'
WG_COLOR_MODE=never fwg show all; echo --; wg show all
""")
def test_pretty_with_two_interfaces(result):
    assert "\n\ninterface: " in assert_same_pretty(result)


TUNNEL = """\
fwg genkey >ours; fwg genkey >theirs
fwg set fwg0 private-key ours listen-port 1001 peer $(wg pubkey <theirs) \\
	endpoint 127.0.0.1:1002 persistent-keepalive 1 allowed-ips 10.9.0.2/32
wg set wg0 private-key theirs listen-port 1002 peer $(wg pubkey <ours) \\
	endpoint 127.0.0.1:1001 allowed-ips 10.9.0.1/32
ips 'link set wg0 up' 'link set fwg0 up'
for try in {1..100}; do
	[[ $(fwg show fwg0 latest-handshakes) != *$'\t'[1-9]* ]] || break
	sleep 0.1
done
sleep 0.2
"""


@script(TUNNEL + """\
date +%s; echo --
fwg show fwg0 latest-handshakes | cut -f 2; echo --
fwg show fwg0 transfer | cut -f 2,3; echo --
wg show wg0 transfer | cut -f 3,2; echo --
fwg show fwg0; echo --
fwg show fwg0 --json
""")
def test_handshake_and_transfer(result):
    now, handshake, ours, theirs, pretty, as_json = parts(result)
    assert int(now) - 20 < int(handshake) <= int(now)
    received, sent = map(int, ours.split())
    assert received > 0 and sent > 0
    assert sum(map(int, theirs.split())) > 0
    assert re.search(r"  latest handshake: (Now|\d+ seconds? ago)\n", pretty)
    assert re.search(r"  transfer: \d+ B received, \d+ B sent\n", pretty)
    assert re.search(r"  persistent keepalive: every 1 second\n", pretty)
    peer = json.loads(as_json)[0]["peers"][0]
    assert peer["latest_handshake"] == int(handshake)
    assert peer["rx_bytes"] >= received and peer["tx_bytes"] >= sent


@script("fwg set fwg0 peer $A peer $B\n" + TUNNEL + """\
fwg set fwg0 peer $C
fwg show fwg0 peers; echo --
fwg show fwg0
""")
def test_peers_heard_last_come_first(result):
    order, pretty = parts(result)
    first, second, heard, third = order.splitlines()
    assert (first, second, third) == (A, B, C)
    assert re.findall(r"^peer: (.*)$", pretty, flags=re.M) == [heard, A, B, C]


@script(FULL + """\
fwg show fwg0 --json; echo --
fwg show --json fwg0 dump; echo --
fwg show all endpoints --json; echo --
fwg show interfaces --json
""")
def test_json(result):
    shown, dump, endpoints, interfaces = parts(result)
    interface, = json.loads(shown)
    assert interface["interface"] == "fwg0"
    assert interface["listen_port"] == 51820
    assert interface["fwmark"] == 0xcafe
    assert interface["private_key"] == "(hidden)"
    assert interface["public_key"] == PUBLIC
    assert interface["resets"] == 0
    assert interface["last_reset"] is None
    assert set(interface["generation"]) == {"source", "check", "tag", "forks"}
    first, second, third = interface["peers"]
    assert first["preshared_key"] == "(hidden)"
    assert first["endpoint"] == "192.0.2.1:1234"
    assert first["allowed_ips"] == ["10.0.0.0/8", "192.168.4.4/32", "fd00::/8"]
    assert first["persistent_keepalive"] == 25
    assert second["endpoint"] == "[2001:db8::1]:65535"
    assert third["endpoint"] is None and third["allowed_ips"] == []
    assert third["preshared_key"] is None

    secret = json.loads(dump)[0]
    assert secret["private_key"] == PRIVATE
    assert secret["peers"][0]["preshared_key"] == PSK

    assert json.loads(endpoints)[0]["peers"][2] == {"public_key": third["public_key"],
                                                    "endpoint": None}
    assert "private_key" not in endpoints
    assert json.loads(interfaces) == ["fwg0"]


@script("""\
ip link add $'f\\xff\\xc3\\xa9\\x1f"' type forkguard
fwg show --json; echo --
fwg show interfaces --json
""", setup="")
def test_json_of_a_name_that_is_no_text(result):
    """An interface's name may have almost any bytes, but JSON is text."""
    shown, interfaces = parts(result)
    assert json.loads(shown)[0]["interface"] == 'f\ufffdé\x1f"'
    assert json.loads(interfaces) == ['f\ufffdé\x1f"']


@script(FULL + """\
fwg showconf fwg0 --json; echo --; fwg show fwg0 dump --json; echo --
fwg --json showconf fwg0 | cmp - <(fwg showconf --json fwg0)
fwg --json
""")
def test_json_of_the_configuration(result):
    """The configuration of showconf, in the form of show."""
    conf, dump, shown = map(json.loads, parts(result))
    everything, = dump
    for member in ("public_key", "generation", "resets", "last_reset", "drops"):
        del everything[member]
    for peer in everything["peers"]:
        for member in ("latest_handshake", "rx_bytes", "tx_bytes"):
            del peer[member]
    assert conf == [everything]
    assert conf[0]["private_key"] == PRIVATE
    assert conf[0]["peers"][0]["preshared_key"] == PSK
    assert shown[0]["private_key"] == "(hidden)"


# The settings are those of wg.

def same_after(*commands, shown="dump"):
    """Both tools get the same words, with IF for the interface; then the dumps are compared."""
    lines = [FULL]
    for command in commands:
        lines += [f"fwg {command.replace('IF', 'fwg0')}", f"wg {command.replace('IF', 'wg0')}"]
    lines.append(f"fwg show fwg0 {shown}; echo --; wg show wg0 {shown}")
    return script("\n".join(lines))


@same_after("set IF listen-port 0 fwmark off private-key /dev/null")
def test_switching_off(result):
    assert assert_same(result)[0].splitlines()[0].startswith("(none)\t(none)\t")


@same_after("set IF fwmark 0", shown="fwmark")
def test_fwmark_zero(result):
    assert assert_same(result) == ["off\n"]


@same_after("set IF fwmark 0xffffffff", shown="fwmark")
def test_fwmark_largest(result):
    assert assert_same(result) == ["0xffffffff\n"]


@same_after("set IF fwmark 51820", shown="fwmark")
def test_fwmark_decimal(result):
    assert assert_same(result) == ["0xca6c\n"]


@same_after("set IF listen-port 65535", shown="listen-port")
def test_port_largest(result):
    assert assert_same(result) == ["65535\n"]


@same_after("set IF listen-port 1 fwmark 1 listen-port 2 fwmark 2")
def test_repeated_words(result):
    assert assert_same(result)[0].splitlines()[0].endswith("\t2\t0x2")


@script("""\
fwg genkey >new
fwg set fwg0 private-key <(cat new)
wg set wg0 private-key <(cat new)
fwg show fwg0 dump; echo --; wg show wg0 dump
""")
def test_private_key_from_a_pipe(result):
    assert_same(result)


@same_after("set IF peer $A preshared-key /dev/null persistent-keepalive off allowed-ips ''")
def test_clearing_a_peer(result):
    assert "\t(none)\t192.0.2.1:1234\t(none)\t0\t0\t0\toff\n" in assert_same(result)[0]


@same_after("set IF peer $A persistent-keepalive 65535", shown="persistent-keepalive")
def test_persistent_keepalive_largest(result):
    assert "\t65535\n" in assert_same(result)[0]


@same_after("set IF peer $A allowed-ips 10.1.2.3/24,fd00:1:2:3::4/64,1.2.3.4,2001:db8::",
            shown="allowed-ips")
def test_host_bits_and_lone_addresses(result):
    shown = assert_same(result)[0].splitlines()[0].split("\t")[1]
    assert sorted(shown.split()) == ["1.2.3.4/32", "10.1.2.0/24", "2001:db8::/128",
                                     "fd00:1:2:3::/64"]
    assert len([line for line in result.errors if "Warning" in line and "/24'" in line]) == 1


@same_after("set IF peer $A allowed-ips ' 10.1.0.0/16 , 10.2.0.0/16 '", shown="allowed-ips")
def test_allowed_ips_with_spaces(result):
    assert "\t10.1.0.0/16 10.2.0.0/16\n" in assert_same(result)[0]


@same_after("set IF peer $A allowed-ips 10.1.0.0/16 allowed-ips 10.2.0.0/16", shown="allowed-ips")
def test_allowed_ips_twice(result):
    assert "\t10.1.0.0/16 10.2.0.0/16\n" in assert_same(result)[0]


# Debian's wg and its kernels do not know this yet.
@script(FULL + """\
fwg set fwg0 peer $A allowed-ips +10.1.2.3/16,-192.168.4.4/32,-172.16.0.0/12,-0.0.0.0/0 \\
	peer $C allowed-ips -10.9.9.9/32,10.3.0.0/16
fwg show fwg0 allowed-ips; echo --
fwg set fwg0 peer $A allowed-ips -10.1.0.0/16,+::/0 peer $B allowed-ips 10.0.0.0/8
fwg show fwg0 allowed-ips; echo --
printf '[Peer]\\nPublicKey=%s\\nAllowedIPs=-10.0.0.0/8, +10.8.0.0/16\\n' $B >conf
printf '[Peer]\\nPublicKey=%s\\nAllowedIPs=-::/0\\nAllowedIPs=10.7.0.0/16\\n' $A >>conf
fwg addconf fwg0 conf
fwg show fwg0 allowed-ips
""")
def test_allowed_ips_that_come_and_go(result):
    """A sign adds or removes one allowed IP and keeps the rest; it removes none of another peer."""
    shown = [[sorted(line.split("\t")[1].split(" ")) for line in part.splitlines()]
             for part in parts(result)]
    assert shown == [
        [["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"], ["0.0.0.0/0", "::/0"], ["10.3.0.0/16"]],
        [["::/0", "fd00::/8"], ["10.0.0.0/8"], ["10.3.0.0/16"]],
        [["10.7.0.0/16", "fd00::/8"], ["10.8.0.0/16"], ["10.3.0.0/16"]]]
    assert [line for line in result.errors if "`+10.1.2.3/16'" not in line] == []


@same_after("set IF peer $C allowed-ips 10.0.0.0/8", shown="allowed-ips")
def test_allowed_ip_moves(result):
    lines = assert_same(result)[0].splitlines()
    assert [line for line in lines if "10.0.0.0/8" in line] == lines[2:]


@same_after("set IF peer $A remove peer $C remove", shown="peers")
def test_remove(result):
    assert assert_same(result) == [f"{B}\n"]


@same_after("set IF peer $PUBLIC allowed-ips 10.5.0.0/16 "
            "peer $D remove")
def test_peer_with_our_own_key_and_removal_of_a_stranger(result):
    assert assert_same(result)[0].count("\n") == 4


@same_after("set IF peer $A endpoint localhost:domain", shown="endpoints")
def test_endpoint_by_name(result):
    assert re.search(r"\t(127\.0\.0\.1|\[::1\]):53\n", assert_same(result)[0])


@same_after("set IF peer $A endpoint [fe80::1%lo]:7", shown="endpoints")
def test_endpoint_with_scope(result):
    assert "\t[fe80::1%lo]:7\n" in assert_same(result)[0]


IPS = [ip for n in range(2000)
       for ip in (f"10.1.{n // 256}.{n % 256}/32", f"fd00::1:{n + 1:x}/128")]


@script(f"""\
both set peer $A allowed-ips {",".join(IPS)} peer $B allowed-ips 10.9.0.0/16
fwg show fwg0 dump; echo --; wg show wg0 dump
""")
def test_more_allowed_ips_than_a_message_holds(result):
    lines = assert_same(result)[0].splitlines()
    assert len(lines) == 3
    assert sorted(lines[1].split("\t")[3].split(",")) == sorted(IPS)


@script(f"""\
fwg set fwg0 peer $A allowed-ips {",".join(IPS)}
rm -f paused go
LD_PRELOAD=$SCRIPTS/pause.so fwg show fwg0 dump >interrupted &
for try in {{1..100}}; do [ -e paused ] && break; sleep 0.05; done
fwg set fwg0 peer $A persistent-keepalive 7 peer $B
touch go
wait $!
fwg show fwg0 dump | cmp interrupted -
cut -f 8 interrupted
""")
def test_dump_that_is_interrupted_is_repeated(result):
    assert parts(result) == ["\n7\noff\n"]


MANY_PEERS = [base64.b64encode(f"{n:032}".encode()).decode() for n in range(300)]


@script(f"""\
echo $PSK >psk
both set {" ".join(f"peer {key} preshared-key psk allowed-ips 10.2.{n // 256}.{n % 256}"
                   for n, key in enumerate(MANY_PEERS))}
fwg show fwg0 dump; echo --; wg show wg0 dump
""")
def test_more_peers_than_a_message_holds(result):
    lines = assert_same(result)[0].splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == MANY_PEERS


# Files.

CONF = """\
cat >conf <<END
[Interface]
ListenPort = 4321
[Peer]
PublicKey = $A
AllowedIPs = 10.7.0.0/16
AllowedIPs = 10.8.0.0/16
[Peer]
PublicKey = $D
[Peer]
PublicKey = $C
PresharedKey = $PSK
Endpoint = 192.0.2.9:9
PersistentKeepalive = 9
END
"""


@script(FULL + "fwg showconf fwg0; echo --; wg showconf wg0")
def test_showconf(result):
    assert assert_same(result)[0].count("[Peer]") == 3


@script("fwg showconf fwg0; echo --; wg showconf wg0")
def test_showconf_of_an_empty_interface(result):
    assert assert_same(result) == ["[Interface]\n\n"]


@script(FULL + """\
fwg showconf fwg0 >before
fwg set fwg0 private-key /dev/null listen-port 0 fwmark 0 peer $A remove
fwg setconf fwg0 before
fwg showconf fwg0; echo --; cat before
""")
def test_setconf_undoes_showconf(result):
    assert_same(result)


def conf_test(command):
    return script(FULL + CONF + f"both {command} conf\n"
                  "fwg show fwg0 dump; echo --; wg show wg0 dump")


@conf_test("setconf")
def test_setconf(result):
    assert assert_same(result)[0].splitlines() == [
        "(none)\t(none)\t4321\toff",
        f"{A}\t(none)\t(none)\t10.7.0.0/16,10.8.0.0/16\t0\t0\t0\toff",
        f"{D}\t(none)\t(none)\t(none)\t0\t0\t0\toff",
        f"{C}\t{PSK}\t192.0.2.9:9\t(none)\t0\t0\t0\t9"]


@conf_test("addconf")
def test_addconf(result):
    assert assert_same(result)[0].splitlines()[1:] == [
        f"{A}\t{PSK}\t192.0.2.1:1234\t10.7.0.0/16,10.8.0.0/16\t0\t0\t0\t25",
        f"{B}\t(none)\t[2001:db8::1]:65535\t0.0.0.0/0,::/0\t0\t0\t0\toff",
        f"{C}\t{PSK}\t192.0.2.9:9\t(none)\t0\t0\t0\t9",
        f"{D}\t(none)\t(none)\t(none)\t0\t0\t0\toff"]


# Debian's wg keeps a preshared key that the file no longer has; later versions do not.
@script(FULL + CONF + "fwg syncconf fwg0 conf; fwg show fwg0 dump")
def test_syncconf(result):
    assert parts(result)[0].splitlines() == [
        "(none)\t(none)\t4321\toff",
        f"{A}\t(none)\t192.0.2.1:1234\t10.7.0.0/16,10.8.0.0/16\t0\t0\t0\toff",
        f"{C}\t{PSK}\t192.0.2.9:9\t(none)\t0\t0\t0\t9",
        f"{D}\t(none)\t(none)\t(none)\t0\t0\t0\toff"]


@script(FULL + "both syncconf /dev/null; fwg show fwg0 dump; echo --; wg show wg0 dump")
def test_syncconf_of_nothing(result):
    assert assert_same(result) == ["(none)\t(none)\t0\toff\n"]


@script(TUNNEL + """\
fwg showconf fwg0 >conf
fwg syncconf fwg0 conf
fwg show fwg0 latest-handshakes | cut -f 2; echo --
ip link set fwg0 down
fwg setconf fwg0 conf
fwg show fwg0 latest-handshakes | cut -f 2
""")
def test_syncconf_keeps_sessions(result):
    after_sync, after_set = parts(result)
    assert int(after_sync) > 0
    assert int(after_set) == 0


@script(FULL + CONF + """\
echo Endpoint=nowhere >>conf
fwg show fwg0 dump >before
for command in setconf addconf syncconf; do ! fwg $command fwg0 conf; done
fwg show fwg0 dump | cmp before -
""")
def test_wrong_file_changes_nothing(result):
    assert result.status == 0, result
    assert result.errors == ["fwg: conf:14: Unable to find port of endpoint: `nowhere'"] * 3


# Long sequences of commands.

def walk(generator, steps):
    """Random commands for both tools; after every few, the configuration is compared."""
    def of_peer():
        return generator.choice([
            "remove", "preshared-key psk", "preshared-key /dev/null", "endpoint 192.0.2.1:0",
            "endpoint [2001:db8::2]:2", "endpoint localhost:domain", "persistent-keepalive off",
            "persistent-keepalive 65535", "allowed-ips ''", *(
                f"allowed-ips {','.join(generator.sample(POOL, size))}" for size in (1, 2, 5, 9))])

    def of_device():
        return generator.choice([
            "listen-port 0", "listen-port 65535", "fwmark off", "fwmark 0xfFfFfFfF", "fwmark 010",
            "private-key private", "private-key psk", "private-key /dev/null"])

    def some_peers():
        return " ".join(" ".join([f"peer {generator.choice(WHO)}", *(
            of_peer() for _ in range(generator.randrange(4)))])
            for _ in range(generator.randrange(1, 5)))

    for step in range(steps):
        command = generator.choice(["set"] * 3 + ["setconf", "addconf", "syncconf"])
        if command == "set":
            device = " ".join(of_device() for _ in range(generator.randrange(3)))
            yield f"both set {device} {some_peers()}"
        else:
            peers = "".join(
                f"[Peer]\nPublicKey={who}\nPresharedKey={PSK}\nPersistentKeepalive={step}\n"
                f"AllowedIPs={', '.join(generator.sample(POOL, 3))}\n"
                for who in generator.sample(WHO, generator.randrange(5)))
            yield f"printf %b '[Interface]\\nFwMark={step}\\n{peers}' >conf; both {command} conf"
        if step % 5 == 4:
            shown = "dump" if step % 2 else "allowed-ips"
            yield "".join(f"{tool} show {tool}0 {shown} >{tool}.shown\n" for tool in ("fwg", "wg"))
            yield f"diff fwg.shown wg.shown || echo after step {step}"


WHO = [A, B, C, D, PUBLIC, "A" * 43 + "="]
POOL = ["0.0.0.0/0", "::/0", *(f"10.{a}.{b}.{c}/{length}" for a, b, c, length in (
    (0, 0, 0, 8), (1, 0, 0, 16), (1, 2, 0, 24), (1, 2, 3, 32), (1, 2, 3, 8), (128, 0, 0, 9),
    (255, 255, 255, 31))), *(f"fd00::{n}/{length}" for n, length in (
        (0, 8), (1, 128), (2, 127), ("1:0:0:0", 64), ("1:2", 112), ("ffff:1", 1)))]


@script(FULL + "\n".join(walk(random.Random(1), 30)) + """
echo --; fwg showconf fwg0; echo --; wg showconf wg0
""")
def test_a_walk_with_both(result):
    """After any sequence of commands, both configurations are the same."""
    differences, ours, theirs = parts(result)
    assert not differences
    assert ours == theirs and ours.count("[Peer]") > 1
    assert all("Warning: AllowedIP has nonzero host part: " in line for line in result.errors)


# wg-quick finds a wg in its own folder first.
@script("""\
umask 077
mkdir quick
cd quick
ln -s "$(command -v fwg)" wg
printf '#!/bin/sh\\n' >nft
chmod +x nft
sed 's/type wireguard/type forkguard/' /usr/bin/wg-quick >wg-quick
cat >q0.conf <<END
[Interface]
Address = 10.99.0.1/24, fd99::1/64
PrivateKey = $PRIVATE # the key
ListenPort = 51820
MTU = 1400
SaveConfig = true
PostUp = wg set %i peer $B persistent-keepalive 25; wg show %i fwmark

[Peer]
PublicKey = $A
PresharedKey = $PSK
Endpoint = 192.0.2.1:7
AllowedIPs = 10.98.0.0/16, fd98::/16
[peer]
publickey=$B
allowedips = ::/0
END
PATH=$PWD:$PATH
quick() { bash ./wg-quick "$@" $PWD/q0.conf; }
quick up
echo --
wg show q0 dump
ip -6 route show table 51820
ip route show dev q0
echo --
wg set q0 peer $B endpoint [2001:db8::1]:8 peer $C allowed-ips 10.97.0.0/16
quick save
sed -i 's/, fd98::.16//' q0.conf
wg syncconf q0 <(quick strip)
wg addconf q0 <(echo "[Peer]"; echo "PublicKey = $D")
quick down
cat q0.conf
ip -br link show type forkguard
""")
def test_wg_quick(result):
    """With fwg in place of wg, and interfaces of our kind, wg-quick does the same as with wg."""
    mark, up, down = parts(result)
    assert mark == "0xca6c\n"
    assert up.splitlines() == [
        f"{PRIVATE}\t{PUBLIC}\t51820\t0xca6c",
        f"{A}\t{PSK}\t192.0.2.1:7\t10.98.0.0/16,fd98::/16\t0\t0\t0\toff",
        f"{B}\t(none)\t(none)\t::/0\t0\t0\t0\t25",
        "default dev q0 metric 1024 pref medium",
        "10.98.0.0/16 scope link ",
        "10.99.0.0/24 proto kernel scope link src 10.99.0.1 "]
    *saved, link = down.splitlines()
    assert link.startswith("fwg0")
    assert saved == f"""\
[Interface]
Address = 10.99.0.1/24
Address = fd99::1/64
MTU = 1400
SaveConfig = true
PostUp = wg set %i peer {B} persistent-keepalive 25; wg show %i fwmark
ListenPort = 51820
FwMark = 0xca6c
PrivateKey = {PRIVATE}

[Peer]
PublicKey = {A}
PresharedKey = {PSK}
AllowedIPs = 10.98.0.0/16
Endpoint = 192.0.2.1:7

[Peer]
PublicKey = {B}
AllowedIPs = ::/0
Endpoint = [2001:db8::1]:8
PersistentKeepalive = 25

[Peer]
PublicKey = {C}
AllowedIPs = 10.97.0.0/16

[Peer]
PublicKey = {D}
""".splitlines()
    assert all(line.startswith("[#] ") for line in result.errors)


# Invalid input changes nothing.

@script(FULL + """\
fwg show fwg0 dump >before
! fwg set fwg0 listen-port 7 fwmark 7 peer $A remove peer $B allowed-ips 10.0.0.0/33
fwg show fwg0 dump | cmp before -
""")
def test_wrong_word_changes_nothing(result):
    assert result.status == 0, result
    assert result.errors == ["fwg: AllowedIP is not in the correct format: `10.0.0.0/33'"]


def failing(command, setup=SETUP):
    return script(f"! fwg {command}", setup)


def assert_fails(result, message):
    assert result.status == 0, result
    assert result.errors == [f"fwg: {message}"]
    assert result.out == ""


@failing("show lo")
def test_show_other_interface(result):
    assert_fails(result, "Unable to access interface lo: Operation not supported "
                         "(not a forkguard interface)")


@failing("show wg0 dump")
def test_show_wireguard_interface(result):
    assert_fails(result, "Unable to access interface wg0: Operation not supported "
                         "(not a forkguard interface)")


@failing("set lo fwmark 1")
def test_set_other_interface(result):
    assert_fails(result, "Unable to modify interface lo: Operation not supported "
                         "(not a forkguard interface)")


@failing("reset lo")
def test_reset_other_interface(result):
    assert_fails(result, "Unable to reset interface lo: Operation not supported "
                         "(not a forkguard interface)")


@failing("show fwg7")
def test_show_no_interface(result):
    assert_fails(result, "Unable to access interface fwg7: No such device")


@failing("reset fwg7")
def test_reset_no_interface(result):
    assert_fails(result, "Unable to reset interface fwg7: No such device")


@script("""\
drop() { setpriv --bounding-set -net_admin --inh-caps -net_admin "$@"; }
for command in "show fwg0" "set fwg0 fwmark 1" "reset fwg0" generation; do
	! drop fwg $command
done
""")
def test_without_permission(result):
    assert result.status == 0, result
    assert len(result.errors) == 4
    for line in result.errors:
        assert line.endswith(": Operation not permitted (requires CAP_NET_ADMIN)")


@script("""\
export WG_ENDPOINT_RESOLUTION_RETRIES=1
! fwg set fwg0 peer $A endpoint nowhere.example.com:1
""")
def test_resolver_is_asked_again(result):
    assert result.status == 0, result
    again, end = result.errors
    assert again.endswith(": `nowhere.example.com:1'. Trying again in 1.00 seconds...")
    assert end.endswith(": `nowhere.example.com:1'")


# Features that only forkguard has.

@script(TUNNEL + """\
fwg reset fwg0
fwg show fwg0; echo --; fwg show fwg0 --json; echo --
fwg reset fwg0 peer $(wg pubkey <theirs)
fwg show fwg0 --json
""")
def test_reset(result):
    pretty, first, second = parts(result)
    assert re.search(r"  last reset: (Now|\d seconds? ago), cause: forced, 1 in all\n", pretty)
    first, second = json.loads(first)[0], json.loads(second)[0]
    assert first["resets"] == 1
    assert first["last_reset"]["cause"] == "forced"
    assert first["last_reset"]["time"] > 0
    assert second["last_reset"]["cause"] == "forced"


@failing("reset fwg0 peer $A")
def test_reset_of_unknown_peer(result):
    assert_fails(result, "Unable to reset interface fwg0: No such file or directory "
                         f"(no such peer): `{A}'")


@script("""\
ips 'link set fwg0 up' 'link add fwg1 type forkguard' 'link set fwg1 up'
fwg set fwg0 listen-port 1001
! fwg set fwg1 fwmark 1 listen-port 1001
printf '[Interface]\\nFwMark = 1\\n\\nListenPort = 1001' >conf
for command in setconf addconf syncconf; do ! fwg $command fwg1 conf; done
fwg show fwg1 listen-port
fwg show fwg1 fwmark
""")
def test_port_in_use(result):
    """The error names the word that the kernel refuses, and its place."""
    message = ("Unable to modify interface fwg1: Address already in use "
               "(the port could not be opened): `1001'")
    assert result.status == 0, result
    assert result.errors == [f"fwg: {message}"] + [f"fwg: conf:4: {message}"] * 3
    port, mark = result.out.splitlines()
    assert port != "1001" and mark == "off"


@script(FULL + """\
fwg show fwg0 dump >before
spoilt() { LD_PRELOAD=$SCRIPTS/spoil.so fwg "$@"; }
! spoilt set fwg0 fwmark 1 peer $A allowed-ips 10.1.1.1,10.66.66.66,10.1.1.3
! spoilt set fwg0 peer $A persistent-keepalive 1 peer $D persistent-keepalive 1 peer $C
cat >conf <<END
[Peer]
PublicKey = $A
AllowedIPs = 10.1.1.1
AllowedIPs = 10.1.1.3, 10.66.66.66/32
[Peer]
PublicKey = $B
END
! spoilt addconf fwg0 conf
sed -i s/10.66.66.66/10.6.6.6/ conf
printf '[Peer]\\nPresharedKey = %s\\nPublicKey = %s\\n' $PSK $D >>conf
! spoilt setconf fwg0 conf
fwg show fwg0 dump | cmp before -
""")
def test_word_that_the_kernel_refuses(result):
    """If the kernel refuses a word that fwg accepts, the error has its place."""
    assert result.status == 0, result
    for line, word, where in zip(result.errors, ["10.66.66.66/32", D, "10.66.66.66/32", D],
                                 ["", "", "conf:4: ", "conf:9: "]):
        assert line.startswith(f"fwg: {where}Unable to modify interface fwg0: ")
        assert line.endswith(f": `{word}'")
    assert len(result.errors) == 4


@script(f"""\
fwg set fwg0 peer $A allowed-ips {",".join(IPS)}
LD_PRELOAD=$SCRIPTS/spoil.so fwg set fwg0 peer $A allowed-ips {",".join(IPS)},10.66.66.66 || :
fwg show fwg0 allowed-ips | tr ' ' '\\n' | wc -l
""")
def test_word_in_a_later_message(result):
    """The messages before it are applied; nothing of this one is."""
    line, = result.errors
    assert line.endswith(": `10.66.66.66/32'")
    assert 0 < int(parts(result)[0]) < len(IPS)


# The messages themselves, sent to forkguard and to stock WireGuard.

def guest_program(mode):
    return script(f"/usr/bin/python3 -B {uml.TOP}/tests/userspace/semantics.py {mode}")


@guest_program("both")
def test_every_message_does_what_it_does_to_wireguard(result):
    outcomes = json.loads(parts(result)[0])
    assert set(outcomes) == set(semantics.SCENARIOS) | set(semantics.REFUSED)
    different = {name: sides for name, sides in outcomes.items()
                 if name in semantics.SCENARIOS and sides["ours"] != sides["theirs"]}
    assert not different
    # WireGuard applies an invalid message up to the error.
    for name in semantics.REFUSED:
        ours, theirs = outcomes[name]["ours"], outcomes[name]["theirs"]
        # It refuses unknown flags only since Linux 6.16.
        expected = theirs["errors"] if "flags of" not in name else [errno.EINVAL]
        assert ours["errors"] == expected != [0], name
        assert theirs["errors"] != [0], name
        assert not ours["changed"], name


@script("""\
echo $PRIVATE >private
both set private-key private \\
	peer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= endpoint 127.0.0.1:9 \\
		persistent-keepalive 1 \\
	peer $A endpoint 127.0.0.1:9 persistent-keepalive 1
ips 'link set fwg0 up' 'link set wg0 up'
for try in {1..40}; do
	[[ $(fwg show fwg0 transfer)$(wg show wg0 transfer) != *148*148 ]] || break
	sleep 0.1
done
fwg show fwg0 transfer; echo --; wg show wg0 transfer
""")
def test_nothing_is_sent_to_a_key_of_low_order(result):
    zero, good = assert_same(result)[0].splitlines()
    assert zero.split("\t")[1:] == ["0", "0"] and good.split("\t")[1:] == ["0", "148"]


NESTED = 0x8000
# Attributes of a device, of a peer.
IFINDEX, IFNAME, PEERS, OUR_OWN = 1, 2, 8 | NESTED, 64
PADDING, KEY, ALLOWED_IPS = 0, 1, 9 | NESTED


def empty_nests(attributes):
    """The paths to all empty nests."""
    for kind, value in attributes:
        if value == [] and kind & NESTED:
            yield (kind,)
        elif isinstance(value, list):
            yield from ((kind, *path) for path in empty_nests(value))


def merge(dump):
    """The contents of a dump, independent of message boundaries: the headers, the attributes of the
    device in the first message and in those after a complete peer, and the peers, each as
    [attributes, allowed IPs]. Omits forkguard's own attributes, and padding, which varies."""
    headers, first, later, told = set(), None, [], []
    for message in (message for datagram in dump for message in datagram):
        if message[0] == "done":
            continue
        headers.add(tuple(message[1:-1]))
        ours = [[kind, "" if kind in (IFINDEX, IFNAME) else value]
                for kind, value in message[-1] if kind & ~NESTED < OUR_OWN and kind != PEERS]
        if first is None:
            first = ours
        elif len(told) > 1:
            later.append(ours)
        else:
            # The first peer may not be complete yet.
            assert ours in (first, [])
        for _, peer in next((value for kind, value in message[-1] if kind == PEERS), []):
            kinds = [kind for kind, _ in peer]
            ips = next((value for kind, value in peer if kind == ALLOWED_IPS), None)
            if told and told[-1][0][0] == peer[0]:
                assert kinds in ([KEY, ALLOWED_IPS], [KEY])
                told[-1][1] = (told[-1][1] or []) + (ips or [])
            else:
                assert ALLOWED_IPS not in kinds or kinds[-1] == ALLOWED_IPS
                told.append([[part for part in peer if part[0] not in (ALLOWED_IPS, PADDING)], ips])
    assert not any(later)
    return headers, first, told


@guest_program("shapes")
def test_dumps_have_the_shape_of_wireguards(result):
    """Attribute by attribute: order, sizes, values, padding, and absent attributes."""
    dumps = json.loads(parts(result)[0])
    assert set(dumps) == set(semantics.SHAPES)
    assert sum(len(dump["ours"]) > 2 for dump in dumps.values()) >= 4
    for name, dump in dumps.items():
        for message in (message for datagram in dump["ours"] for message in datagram):
            assert not list(empty_nests(message[-1] if message[0] == "device" else [])), name
        assert merge(dump["ours"]) == merge(dump["theirs"]), name
        # The end is in the datagram of the last message if there is room.
        assert dump["ours"][-1][0][0] == dump["theirs"][-1][0][0], name


@guest_program("gaps")
def test_no_packet_is_without_a_peer_while_allowed_ips_are_replaced(result):
    for name, (sent, refused) in json.loads(parts(result)[0]).items():
        assert sent == 100 and not refused, name


@guest_program("dumps")
def test_change_in_the_middle_of_a_dump(result):
    """The dump reports the change, and continues with the new state."""
    for name, dump in json.loads(parts(result)[0]).items():
        assert dump["interrupted"] == (name != "nothing"), name
        assert set(dump["after"]) <= set(dump["there"]), name
        if name in ("nothing", "all allowed IPs go", "allowed IPs move away", "a private key"):
            assert list(dict.fromkeys(dump["before"] + dump["after"])) == dump["there"], name


@guest_program("pace")
def test_late_messages_of_a_dump_take_no_longer(result):
    """If each message looked for its place from the first peer on, the last would take many times
    as long."""
    times = json.loads(parts(result)[0])
    assert times["last"] < 3 * times["first"], times


# Waits until the last background process listens to generic netlink events.
LISTENING = """\
listening() {
	for try in {1..100}; do
		awk -v pid=$! '$2 == 16 && $3 == pid && $4 !~ /^0+$/ { ok = 1 }; END { exit !ok }' \\
			/proc/net/netlink && return
		sleep 0.05
	done
	return 1
}
lines() { for try in {1..100}; do [ "$(wc -l <"$1")" -ge "$2" ] && return; sleep 0.05; done; }
"""


@script(TUNNEL + LISTENING + """\
ip link add fwg1 type forkguard
fwg monitor >events &
listening
fwg reset fwg0
fwg reset fwg0 peer $(wg pubkey <theirs)
fwg reset fwg1
lines events 3
kill $!
cat events; echo --; wg pubkey <theirs
""")
def test_monitor(result):
    events, key = parts(result)
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    tail = r"generation (\(none\)|[0-9a-f]{16}), forks \d+"
    first, second, third = events.splitlines()
    assert re.fullmatch(rf"{stamp} fwg0: reset, cause forced, peers 1, {tail}", first)
    assert re.fullmatch(rf"{stamp} fwg0: reset, cause forced, peers [01], {tail}, "
                        rf"peer {re.escape(key.strip())}", second)
    assert re.fullmatch(rf"{stamp} fwg1: reset, cause forced, peers 0, {tail}", third)


@script(LISTENING + """\
fwg monitor --json >events &
listening
fwg reset fwg0
fwg reset fwg0
lines events 2
kill $!
cat events
""")
def test_monitor_json(result):
    assert result.status == 0, result
    first, second = map(json.loads, result.out.splitlines())
    assert 1e9 < first["time"] < second["time"] < 1e10
    assert first["interface"] == "fwg0"
    assert first["cause"] == "forced"
    assert first["peers"] == 0
    assert set(first["generation"]) == {"source", "check", "tag", "forks"}


@script(LISTENING + """\
nsenter -t 1 -n sysctl -q net.core.rmem_default=2304
fwg monitor >events 2>errors &
listening
nsenter -t 1 -n sysctl -q net.core.rmem_default=212992
kill -STOP $!
for i in {1..12}; do fwg reset fwg0; done
kill -CONT $!
lines errors 1
fwg reset fwg0
lines events 2
kill $!
cat errors; echo --; wc -l <events
""")
def test_monitor_tells_of_lost_events(result):
    errors, events = parts(result)
    assert errors == "fwg: Events were lost: they arrived faster than they could be printed\n"
    assert 2 <= int(events) <= 12


@script(LISTENING + """\
fwg monitor >/dev/full &
listening
fwg reset fwg0
status=0
wait $! || status=$?
echo $status
""")
def test_monitor_without_a_reader(result):
    assert parts(result) == ["1\n"]
    assert result.errors == ["fwg: Unable to write output: No space left on device"]


@script("""\
fwg set fwg0 listen-port 1001
ip link set fwg0 up
for i in 1 2 3; do echo noise >/dev/udp/127.0.0.1/1001; done
for try in {1..100}; do
	[[ $(ethtool -S fwg0) != *'rx_malformed: 3'* ]] || break
	sleep 0.1
done
fwg show fwg0 --json; echo --; ethtool -S fwg0
""")
def test_drops(result):
    """JSON and ethtool show the same counters, with the names in the manual."""
    as_json, ethtool = parts(result)
    counters = {name: int(count)
                for name, count in re.findall(r"^ +(\w+): (\d+)$", ethtool, flags=re.M)}
    assert counters["rx_malformed"] == 3
    manual = (uml.TOP / "userspace/man/fwg.8").read_text().split(".SS Drops\n")[1]
    assert list(counters) == re.findall(r'^\.IR (\w+) "', manual.split(".SH ")[0], flags=re.M)
    assert json.loads(as_json)[0]["drops"] == counters


@script("""
fwg generation; echo --; fwg generation --json; echo --; fwg show fwg0 --json; echo --
for check in notifier packet; do
	status=0
	fwg generation --require $check >again || status=$?
	fwg generation | cmp - again
	echo $status
done
""")
def test_generation(result):
    text, as_json, shown, required = parts(result)
    values = dict(line.split(": ", 1) for line in text.splitlines())
    generation = json.loads(as_json)
    assert list(values) == ["source", "check", "tag", "forks"]
    assert generation == json.loads(shown)[0]["generation"]
    # User-mode Linux has no ACPI, so there is no ID, and the warning is shown.
    assert generation["source"] == "none" == values["source"]
    assert generation["tag"] is None and values["tag"] == "(none)"
    assert generation["check"] in ("notifier", "none")
    assert values["check"] in (
        "notifier: forks are detected late, and nonces may be reused until then",
        "none: forks are not detected at all")
    assert int(values["forks"]) == generation["forks"] == 0
    check = generation["check"]
    assert required.split() == ["0" if check == "notifier" else "2", "2"]
    assert result.errors[-1] == f"fwg: The fork check is `{check}', not `packet'"


@script(LISTENING + """\
fwg monitor 2>errors &
listening
ip link del fwg0
for try in {1..100}; do rmmod forkguard 2>/dev/null && break; sleep 0.05; done
status=0
wait $! || status=$?
echo $status; cat errors
for command in "show fwg0" "set fwg0 fwmark 1" generation; do fwg $command 2>&1 || true; done
fwg show
""", alone=True)
def test_module_unloaded(result):
    assert parts(result)[0].splitlines() == [
        "1",
        "fwg: Unable to watch events: Protocol not supported "
        "(the kernel module forkguard is not loaded)",
        "fwg: Unable to access interface fwg0: Protocol not supported "
        "(the kernel module forkguard is not loaded)",
        "fwg: Unable to modify interface fwg0: Protocol not supported "
        "(the kernel module forkguard is not loaded)",
        "fwg: Unable to read the generation: Protocol not supported "
        "(the kernel module forkguard is not loaded)",
    ]
