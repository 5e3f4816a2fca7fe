# SPDX-License-Identifier: GPL-2.0
"""Permissions of unprivileged users, and of users with privileges in a namespace of their own.

One script in user-mode Linux. Root has fwg0 and wg0 in one network namespace. The user "nobody"
sends the tools' requests to the kernel, and others. Each attempt is also made with stock WireGuard,
if that has a similar request; root's success is the control.
"""

import json

import pytest
import uml

# Sends generic netlink requests without the tools' checks; prints the kernel's answers.
ASK = r"""
import errno, json, os, socket, struct, sys
FORKGUARD, GET, SET, RESET, GENERATION = "forkguard", 0, 1, 64, 65
REQUEST, ACK, DUMP, EVENTS_HOLD = 1, 4, 0x300, 270
def attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
def attrs(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:length]
        data = data[length + 3 & ~3:]
    return found
class Talk:
    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.socket.bind((0, 0))
        self.socket.settimeout(2)
    def ask(self, family, command, flags, *payload):
        body = struct.pack("=BBxx", command, 1) + b"".join(payload)
        head = struct.pack("=IHHII", 16 + len(body), family, REQUEST | ACK | flags, 1, 0)
        self.socket.send(head + body)
        answers = []
        while True:
            data = self.socket.recv(65536)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == 2 or kind == 3:
                    code = -struct.unpack_from("=i", data, 16)[0]
                    return errno.errorcode.get(code, "ok"), answers
                answers.append(attrs(data[20:length]))
                data = data[length + 3 & ~3:]
    def family(self, name):
        _, [found] = self.ask(16, 3, 0, attr(2, name.encode() + b"\0"))
        groups = {}
        for group in attrs(found.get(7, b"")).values():
            group = attrs(group)
            groups[group[1].rstrip(b"\0").decode()] = struct.unpack("=I", group[2])[0]
        return struct.unpack("=H", found[1])[0], groups
talk = Talk()
"""

# Attempts on root's interfaces. The index of an interface in another namespace is no secret.
ATTEMPTS = ASK + r"""
done = {}
fg, groups = talk.family("forkguard")
wg, _ = talk.family("wireguard")
index = struct.pack("=I", int(os.environ["FG"])), struct.pack("=I", int(os.environ["WG"]))
for name, family, which in ("forkguard", fg, index[0]), ("wireguard", wg, index[1]):
    done[name] = {
        "get": talk.ask(family, GET, DUMP, attr(1, which))[0],
        "get by name": talk.ask(family, GET, DUMP, attr(2, os.environ[name].encode() + b"\0"))[0],
        "set": talk.ask(family, SET, 0, attr(1, which), attr(7, bytes(4)))[0],
    }
done["reset"] = talk.ask(fg, RESET, 0, attr(1, index[0]))[0]
done["reset of a peer"] = talk.ask(
    fg, RESET, 0, attr(1, index[0]), attr(65, bytes.fromhex(os.environ["PEER"])))[0]
done["reset of nothing"] = talk.ask(fg, RESET, 0)[0]
done["reset of index 0"] = talk.ask(fg, RESET, 0, attr(1, bytes(4)))[0]
done["generation"], answers = talk.ask(fg, GENERATION, 0)
done["generation tells"] = sorted(set(attrs(answers[0][64])) - {5}) if answers else []
try:
    talk.socket.setsockopt(EVENTS_HOLD, 1, groups["events"])
    done["events"] = "ok"
except OSError as error:
    done["events"] = errno.errorcode[error.errno]
print(json.dumps(done))
"""

# Gets no event of another namespace, even with a request to listen to all namespaces.
LISTEN = ASK + r"""
fg, groups = talk.family("forkguard")
talk.socket.setsockopt(EVENTS_HOLD, 1, groups["events"])
try:
    talk.socket.setsockopt(EVENTS_HOLD, 8, 1)
    all_namespaces = "ok"
except OSError as error:
    all_namespaces = errno.errorcode[error.errno]
open(sys.argv[1], "w").close()
heard = []
talk.socket.settimeout(30)
try:
    while True:
        data = talk.socket.recv(65536)
        heard.append(attrs(data[20:])[2].rstrip(b"\0").decode())
        talk.socket.settimeout(2)
except TimeoutError:
    pass
print(json.dumps({"all namespaces": all_namespaces, "heard": heard}))
"""

SCRIPT = r"""
chmod 777 .
cat >attempts.py <<'END'
%s
END
cat >listen.py <<'END'
%s
END
umask 077
fwg genkey >key
PEER64=$(wg genkey | wg pubkey)
export PEER=$(base64 -d <<<"$PEER64" | od -An -tx1 | tr -d ' \n')
ips 'link add fwg0 type forkguard' 'link add wg0 type wireguard' 'link add fwg9 type forkguard' \
	'link add wg9 type wireguard'
fwg set fwg0 private-key key listen-port 1000 peer $PEER64 allowed-ips 10.0.0.2/32
wg set wg0 private-key key listen-port 2000 peer $PEER64 allowed-ips 10.0.0.2/32
fwg set fwg9 private-key key listen-port 1001
wg set wg9 private-key key listen-port 2001
index() { local line; line=$(ip -o link show "$1"); echo "${line%%%%:*}"; }
export FG=$(index fwg0) WG=$(index wg0)
export forkguard=fwg0 wireguard=wg0
nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all "$@"
}
state() { fwg showconf fwg0; fwg show fwg0 --json | grep resets; wg showconf wg0; }
next() { echo --; }
umask 022
state >before

nobody /usr/bin/python3 attempts.py; next
nobody unshare -Ur /usr/bin/python3 attempts.py; next
nobody unshare -Urn /usr/bin/python3 attempts.py; next
state | cmp - before && echo untouched; next

# Alone with an interface of his own.
nobody unshare -Urn bash -eu <<'END'
ip link add fwg0 type forkguard
ip link add wg0 type wireguard
for tool in fwg wg; do
	$tool set ${tool}0 listen-port 7 fwmark 3 private-key <($tool genkey) \
		peer $($tool genkey | $tool pubkey) allowed-ips 10.0.0.0/8
	$tool show interfaces
	$tool show ${tool}0 listen-port
	$tool show ${tool}0 allowed-ips | cut -f 2
done
fwg reset fwg0
fwg reset fwg0 peer $(fwg show fwg0 peers)
fwg show fwg0 --json | grep -o '"resets": *[0-9]*'
fwg generation | head -n 1
END
next
state | cmp - before && echo untouched; next

# Given an interface whose sockets are root's.
nobody unshare -Urn bash -eu -c 'echo $$ >theirs; while ! [ -e given ]; do sleep 0.1; done
for tool in fwg wg; do
	for setting in "listen-port 9" "fwmark 9" "private-key /dev/null"; do
		$tool set ${tool}9 $setting >/dev/null 2>&1 && answer=ok || answer=refused
		echo $tool $setting: $answer
	done
	$tool show ${tool}9 listen-port
done
fwg reset fwg9 && echo reset: ok' >moved & moving=$!
while ! [ -s theirs ]; do sleep 0.1; done
ip link set fwg9 netns $(<theirs)
ip link set wg9 netns $(<theirs)
touch given
wait $moving
cat moved; next

# Listening to events, his own and root's.
await() { while ! [ -e "$1" ]; do sleep 0.1; done; }
nobody unshare -Urn bash -eu -c 'ip link add mine type forkguard
/usr/bin/python3 listen.py theirs-is-ready & while ! [ -e root-has-reset ]; do sleep 0.1; done
fwg reset mine; wait' >heard & listening=$!
await theirs-is-ready
/usr/bin/python3 listen.py root-is-ready >heard-by-root & listening_root=$!
await root-is-ready
fwg reset fwg0
touch root-has-reset
wait $listening; wait $listening_root
cat heard; next
cat heard-by-root; next
/usr/bin/python3 attempts.py
""" % (ATTEMPTS, LISTEN)

# The namespace of the sockets is deleted, and with it the device of the route to a peer.
BIRTH = r"""
unshare -n sleep 600 & birth=$!
while [ /proc/$birth/ns/net -ef /proc/self/ns/net ]; do sleep 0.1; done
(umask 077 && fwg genkey >key)
nsenter -n -t $birth ip -batch - <<END
link add v0 type veth peer name v1
address add fd00::1/64 dev v0 nodad
link set v0 up
link set v1 up
link add fwg0 type forkguard
link set fwg0 netns $$
END
fwg set fwg0 private-key key peer $(fwg genkey | fwg pubkey) allowed-ips fd01::/64 \
	endpoint [fd00::2]:9
ips 'address add fd01::1/64 dev fwg0 nodad' 'link set fwg0 up'
echo >/dev/udp/fd01::2/9
for _ in $(seq 50); do
	sent=$(fwg show fwg0 transfer | cut -f 3)
	[ "$sent" = 0 ] || break
	sleep 0.1
done
echo "$sent"
kill $birth
until ip link show fwg0 | grep -q NO-CARRIER; do sleep 0.1; done
# Deleting a namespace also ends the rest of earlier ones.
for _ in 1 2; do
	sleep 1
	unshare -n true
done
sleep 1
fwg show fwg0 endpoints | cut -f 2
ip link del fwg0
sleep 1
"""

# Two namespaces of a machine with a generation ID, which is forked while it is idle. This comes
# last, because the machine keeps its ID.
TAGS = r"""
unshare -n sleep 600 & theirs=$!
while [ /proc/$theirs/ns/net -ef /proc/self/ns/net ]; do sleep 0.1; done
ask() {
	for _ in 1 2; do
		fwg generation --json
		nsenter -n -t $theirs fwg generation --json
	done
}
echo 1 >/sys/module/forkguard/parameters/test_generation
ip link add fwg0 type forkguard
ask
echo 2 >/sys/module/forkguard/parameters/test_generation
for _ in $(seq 600); do
	fwg generation --json | grep -q '"forks": *0' || break
	sleep 0.1
done
ask
fwg show fwg0 --json
kill $theirs
"""


@pytest.fixture(scope="module", name="results")
def fixture_results(tmp_path_factory):
    return uml.run_scripts({"namespaces": SCRIPT, "birth": BIRTH, "tags": TAGS},
                           tmp_path_factory.mktemp("scripts"), seconds=600)


@pytest.fixture(scope="module", name="parts")
def fixture_parts(results):
    result = results["namespaces"]
    assert result.status == 0, result
    names = ("plain userns netns untouched own untouched_after moved heard heard_by_root root"
             .split())
    return dict(zip(names, result.out.split("--\n")))


@pytest.fixture(name="attempts", params=["plain", "users", "netns"])
def fixture_attempts(parts, request):
    """The results of the attempts of "nobody": from root's namespaces, from a new user namespace,
    and from one with a network namespace."""
    return request.param, json.loads(parts[{"users": "userns"}.get(request.param, request.param)])


def test_root_may_all(parts):
    done = json.loads(parts["root"])
    for name in "forkguard", "wireguard":
        assert done[name] == {"get": "ok", "get by name": "ok", "set": "ok"}
    assert done["generation"] == done["events"] == done["reset"] == "ok"
    assert done["reset of a peer"] == "ok"


def test_interfaces_of_others_are_out_of_reach(attempts):
    where, done = attempts
    refusal = "ENODEV" if where == "netns" else "EPERM"
    assert set(done["forkguard"].values()) == {refusal}
    assert done["reset"] == done["reset of a peer"] == refusal
    assert done["forkguard"] == done["wireguard"]


def test_nobody_resets_the_machine(parts, attempts):
    """A reset needs an interface of one's own: not even root can reset all at once this way."""
    where, done = attempts
    refusal = "EBADR" if where == "netns" else "EPERM"
    assert done["reset of nothing"] == refusal
    root = json.loads(parts["root"])
    assert root["reset of nothing"] == "EBADR"
    assert done["reset of index 0"] == (root["reset of index 0"] if where == "netns" else "EPERM")


def test_generation_takes_a_namespace(attempts):
    """A user who may have an interface may query the fork detection, and no more."""
    where, done = attempts
    assert done["generation"] == done["events"] == ("ok" if where == "netns" else "EPERM")
    # Source, check and forks; without an ID there is no tag.
    assert done["generation tells"] == ([1, 2, 4] if where == "netns" else [])


def test_attempts_leave_no_trace(parts):
    assert parts["untouched"] == parts["untouched_after"] == "untouched\n"


def test_own_interfaces_are_ones_own(parts):
    assert parts["own"].splitlines() == [
        "fwg0", "7", "10.0.0.0/8", "wg0", "7", "10.0.0.0/8", '"resets":2', "source: none"]


def test_sockets_stay_with_who_made_them(parts):
    """A moved interface belongs to its new owner, except for the sockets in the old namespace."""
    assert parts["moved"].splitlines() == [
        "fwg listen-port 9: refused", "fwg fwmark 9: refused", "fwg private-key /dev/null: ok",
        "1001",
        "wg listen-port 9: refused", "wg fwmark 9: refused", "wg private-key /dev/null: ok",
        "2001",
        "reset: ok"]


def test_events_stay_in_their_namespace(parts):
    """Listening to all namespaces is allowed, but gives no events of others."""
    assert json.loads(parts["heard"]) == {"all namespaces": "ok", "heard": ["mine"]}
    assert json.loads(parts["heard_by_root"]) == {"all namespaces": "ok", "heard": ["fwg0"]}


def test_route_goes_with_the_namespace_of_the_sockets(results):
    """A moved interface outlives the namespace. KASAN checks that nothing is used after it was
    freed."""
    result = results["birth"]
    assert result.status == 0, result
    assert result.out.split() == ["148", "[fd00::2]:9"]


@pytest.fixture(scope="module", name="generations")
def fixture_generations(results):
    """The generations reported to the two namespaces in turn, and to the first one's interface."""
    result = results["tags"]
    assert result.status == 0, result
    *told, [interface] = map(json.loads, result.out.splitlines())
    assert len(told) == 8
    return told, interface


def test_tags_of_two_namespaces_differ(generations):
    tags = [generation["tag"] for generation in generations[0]]
    ours, theirs = tags[0::2], tags[1::2]
    assert all(tags) and not set(ours) & set(theirs)
    for own in ours, theirs:
        assert own[0] == own[1] != own[2] == own[3]


def test_idle_machine_notices_a_fork(generations):
    told, interface = generations
    assert [generation["forks"] for generation in told] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert interface["resets"] == 1 and interface["last_reset"]["cause"] == "packet"
