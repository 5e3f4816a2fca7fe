# SPDX-License-Identifier: GPL-2.0
"""fwg without a kernel module: its grammar, its errors and its keys, with `wg` as the oracle.

Valid words also lead to an error, because there is no such interface: so the message tells valid
words from invalid ones.
"""

import base64
import json
import os
import random
import re
import stat
import subprocess

import pytest
from uml import FWG, TOP

NOT_THERE = "fwg: Unable to modify interface fwgtest: "
KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
COMMANDS = ("show set showconf setconf addconf syncconf reset generation monitor genkey genpsk "
            "pubkey").split()
SETTINGS = ("listen-port fwmark private-key peer remove preshared-key endpoint "
            "persistent-keepalive allowed-ips").split()
FIELDS = ("public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips "
          "latest-handshakes transfer persistent-keepalive dump").split()


def run(*words, tool=FWG, **options):
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    environment = os.environ | {"LC_ALL": "C", "WG_ENDPOINT_RESOLUTION_RETRIES": "0"}
    return subprocess.run([tool, *words], text=True, check=False, timeout=60,
                          stdout=options.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                          env=environment | options.pop("env", {}), **options)


def error(*words, **options):
    """The one line on stderr with which a command fails."""
    done = run(*words, **options)
    assert (done.returncode, done.stdout) == (1, "")
    line, = done.stderr.splitlines()
    assert line.startswith("fwg: ")
    return line


def is_understood(*words, **options):
    return error("set", "fwgtest", *words, **options).startswith(NOT_THERE)


# The grammar of the command line.

@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help(word):
    done = run(word)
    assert done.returncode == 0 and done.stderr == ""
    for command in COMMANDS:
        for words in (command, word), ("--json", command, word), (command, "--json", word):
            usage = run(*words)
            assert usage.returncode == 0, words
            assert usage.stdout.startswith(f"Usage: fwg {command}")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_about_a_command(command):
    usage = run(command, "--help")
    assert usage.stdout.startswith(f"Usage: fwg {command}") and usage.stdout.count("Usage") == 1
    for words in (["help", command], ["-h", command], ["--json", "help", command]):
        assert run(*words).stdout == usage.stdout


@pytest.mark.parametrize("word", ["version", "--version", "-v", "-V"])
def test_version(word):
    done = run(word)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"fwg \d+(\.\d+)+\n", done.stdout)


# One list of words in three places; test_completion.py has the fourth.

def test_help_names_every_word():
    assert re.findall(r"^  (\w+) ", run("help").stdout, flags=re.M) == COMMANDS
    assert re.findall(r"\[([a-z-]+)[ \]]", run("set", "--help").stdout) == SETTINGS


def test_manual_names_every_word():
    manual = (TOP / "userspace/man/fwg.8").read_text().replace("\\-", "-")
    for word in [*COMMANDS, *SETTINGS, *FIELDS]:
        assert re.search(rf"(\\fB|^\.(B|BR|TP\n\.B|BR .*) ?){word}\b", manual, flags=re.M), word


@pytest.mark.parametrize("field", FIELDS)
def test_fields_are_known(field):
    """An unknown field is reported before the missing interface."""
    assert "Invalid parameter" not in error("show", "fwgtest", field)
    assert "Invalid parameter" in error("show", "fwgtest", field + "s")


@pytest.mark.parametrize("words, wrong", [
    (["frobnicate"], "frobnicate"),
    (["--json", "frobnicate"], "frobnicate"),
    (["--json", "set", "fwgtest", "fwmark", "1"], "--json"),
    (["--json", "--json"], "--json"),
    (["show", "fwgtest", "colour"], "colour"),
    (["show", "fwgtest", "dump", "more"], "more"),
    (["show", "interfaces", "dump"], "dump"),
    (["show", "a-name-of-16-char"], "a-name-of-16-char"),
    (["show", ""], ""),
    (["show", "--josn"], "--josn"),
    (["set", "a-name-of-16-char", "fwmark", "1"], "a-name-of-16-char"),
    (["reset", "fwgtest", "friend", KEY], "friend"),
    (["reset", "fwgtest", "peer"], "peer"),
    (["reset", "fwgtest", "peer", "key"], "key"),
    (["reset", "fwgtest", "peer", KEY, "more"], "more"),
    (["showconf", "fwgtest", "more"], "more"),
    (["showconf", ""], ""),
    (["setconf", "fwgtest", "/dev/null", "more"], "more"),
    (["setconf", "a-name-of-16-char", "/dev/null"], "a-name-of-16-char"),
    (["help", "frobnicate"], "frobnicate"),
    (["help", "set", "more"], "more"),
    (["generation", "more"], "more"),
    (["generation", "--require"], ""),
    (["generation", "--require", "none"], "none"),
    (["generation", "--require", "packet", "more"], "more"),
    (["generation", "more", "--require", "packet"], "more"),
    (["generation", "--json", "more"], "more"),
    (["monitor", "more"], "more"),
    (["genkey", "more"], "more"),
    (["genpsk", "more"], "more"),
    (["pubkey", "more"], "more"),
])
def test_wrong_words(words, wrong):
    message = error(*words)
    assert f"`{wrong}'" in message or message.startswith(
        f"fwg: Unable to access interface {wrong}: "), message


@pytest.mark.parametrize("words", [["set"], ["set", "fwgtest"], ["reset"], ["showconf"],
                                   ["setconf"], ["addconf", "fwgtest"], ["syncconf"]])
def test_missing_words(words):
    assert error(*words).startswith(f"fwg: {words[0]} needs an interface")


# The grammar of settings.

RIGHT = [
    ["listen-port", "0"],
    ["listen-port", "65535"],
    ["listen-port", " 1"],
    ["listen-port", "+1"],
    ["listen-port", "domain"],
    ["fwmark", "0"],
    ["fwmark", "off"],
    ["fwmark", "OFF"],
    ["fwmark", "4294967295"],
    ["fwmark", "0xFFFFffff"],
    ["private-key", "/dev/null"],
    ["peer", KEY],
    ["peer", KEY, "remove"],
    ["peer", KEY, "remove", "peer", KEY],
    ["peer", KEY, "preshared-key", "/dev/null"],
    ["peer", KEY, "persistent-keepalive", "0"],
    ["peer", KEY, "persistent-keepalive", "off"],
    ["peer", KEY, "persistent-keepalive", "65535"],
    ["peer", KEY, "endpoint", "192.0.2.1:1"],
    ["peer", KEY, "endpoint", "[192.0.2.1]:1"],
    ["peer", KEY, "endpoint", "[::1]:65535"],
    ["peer", KEY, "endpoint", "::1:65535"],
    ["peer", KEY, "endpoint", "localhost:1"],
    ["peer", KEY, "allowed-ips", ""],
    ["peer", KEY, "allowed-ips", " "],
    ["peer", KEY, "allowed-ips", "0.0.0.0/0,::/0"],
    ["peer", KEY, "allowed-ips", "1.2.3.4, 1::/128"],
    ["peer", KEY, "allowed-ips", "::ffff:1.2.3.4/128"],
    ["peer", KEY, "allowed-ips", "+1.2.3.4/32"],
    ["peer", KEY, "allowed-ips", "-1.2.3.4"],
    ["peer", KEY, "allowed-ips", "+1::/64, -1.2.3.0/24,1.2.0.0/16"],
]

WRONG = [
    (["listen-port", "65536"], "65536"),
    (["listen-port", "-1"], "-1"),
    (["listen-port", "18446744073709551617"], "18446744073709551617"),
    (["listen-port", "1x"], "1x"),
    (["listen-port", "1 "], "1 "),
    (["listen-port", ""], ""),
    (["fwmark", "4294967296"], "4294967296"),
    (["fwmark", "0x100000000"], "0x100000000"),
    (["fwmark", "18446744073709551617"], "18446744073709551617"),
    (["fwmark", "0x"], "0x"),
    (["fwmark", "0x0x1"], "0x0x1"),
    (["fwmark", "0x-1"], "0x-1"),
    (["fwmark", "ff"], "ff"),
    (["fwmark", "-1"], "-1"),
    (["fwmark", "+1"], "+1"),
    (["fwmark", ""], ""),
    (["private-key", "/nowhere/key"], "/nowhere/key"),
    (["private-key", "/"], "/"),
    (["peer", KEY[:-1]], KEY[:-1]),
    (["peer", ""], ""),
    (["peer", "peer"], "peer"),
    (["peer", KEY, "persistent-keepalive", "65536"], "65536"),
    (["peer", KEY, "persistent-keepalive", "-1"], "-1"),
    (["peer", KEY, "persistent-keepalive", "1s"], "1s"),
    (["peer", KEY, "persistent-keepalive", ""], ""),
    (["peer", KEY, "endpoint", ""], ""),
    (["peer", KEY, "endpoint", "192.0.2.1"], "192.0.2.1"),
    (["peer", KEY, "endpoint", "192.0.2.1:"], "192.0.2.1:"),
    (["peer", KEY, "endpoint", "192.0.2.1:65536"], "192.0.2.1:65536"),
    (["peer", KEY, "endpoint", "192.0.2.1:1x"], "192.0.2.1:1x"),
    (["peer", KEY, "endpoint", ":1"], ":1"),
    (["peer", KEY, "endpoint", "[::1"], "[::1"),
    (["peer", KEY, "endpoint", "[::1]"], "[::1]"),
    (["peer", KEY, "endpoint", "[::1]1"], "[::1]1"),
    (["peer", KEY, "endpoint", "[::1]:"], "[::1]:"),
    (["peer", KEY, "endpoint", "[]:1"], "[]:1"),
    (["peer", KEY, "endpoint", "no host:1"], "no host:1"),
    (["peer", KEY, "allowed-ips", "1.2.3.4/33"], "1.2.3.4/33"),
    (["peer", KEY, "allowed-ips", "1.2.3.4/"], "1.2.3.4/"),
    (["peer", KEY, "allowed-ips", "1.2.3.4/-1"], "1.2.3.4/-1"),
    (["peer", KEY, "allowed-ips", "1.2.3.4/0x8"], "1.2.3.4/0x8"),
    (["peer", KEY, "allowed-ips", "1.2.3.4/8/8"], "1.2.3.4/8/8"),
    (["peer", KEY, "allowed-ips", "1.2.3.4/4294967304"], "1.2.3.4/4294967304"),
    (["peer", KEY, "allowed-ips", "1.2.3/8"], "1.2.3/8"),
    (["peer", KEY, "allowed-ips", "1::/129"], "1::/129"),
    (["peer", KEY, "allowed-ips", "1::g/128"], "1::g/128"),
    (["peer", KEY, "allowed-ips", "localhost"], "localhost"),
    (["peer", KEY, "allowed-ips", "1.2.3.4,"], ""),
    (["peer", KEY, "allowed-ips", ",1.2.3.4"], ""),
    (["peer", KEY, "allowed-ips", "/8"], "/8"),
    (["peer", KEY, "allowed-ips", "1" * 5000], "1" * 5000),
    (["peer", KEY, "allowed-ips", "+"], "+"),
    (["peer", KEY, "allowed-ips", "-"], "-"),
    (["peer", KEY, "allowed-ips", "+-1.2.3.4/32"], "+-1.2.3.4/32"),
    (["peer", KEY, "allowed-ips", "1.2.3.4/+32"], "1.2.3.4/+32"),
    (["peer", KEY, "allowed-ips", "-1.2.3.4/33"], "-1.2.3.4/33"),
    (["peer", KEY, "allowed-ips", "1.2.3.4,-"], "-"),
    (["mtu", "1420"], "mtu"),
    (["remove"], "remove"),
    (["listen-port"], "listen-port"),
    (["peer"], "peer"),
    (["peer", KEY, "endpoint"], "endpoint"),
    (["endpoint", "192.0.2.1:1"], "endpoint"),
    (["peer", KEY, "listen-port", "1"], "listen-port"),
    (["peer", KEY, "remove", "this"], "this"),
    (["fwmark", "1", "frobnicate"], "frobnicate"),
    (["peer", KEY, "remove", "endpoint", "192.0.2.1:x y"], "192.0.2.1:x y"),
    (["LISTEN-PORT", "1"], "LISTEN-PORT"),
]

# Words that Debian's wg accepts by mistake: it computes modulo 65536.
LAX = [["listen-port", "65536"], ["peer", KEY, "endpoint", "192.0.2.1:65536"]]


@pytest.mark.parametrize("words", RIGHT)
def test_settings_that_are_understood(words):
    assert is_understood(*words)


@pytest.mark.parametrize("words, wrong", WRONG)
def test_settings_that_are_wrong(words, wrong):
    message = error("set", "fwgtest", *words)
    assert not message.startswith(NOT_THERE)
    assert f"`{wrong}'" in message


def wg_understands(*words):
    """Does wg understand the words? If so, it fails only because there is no interface."""
    done = run(*words, tool="wg")
    assert (done.returncode, done.stdout) == (1, "")
    return re.match(r"Unable to \w+ (current )?(interface|configuration)",
                    done.stderr.splitlines()[-1]) is not None


def test_wg_is_of_the_same_mind_about_settings():
    """Except for signs before allowed IPs, which Debian's wg does not know yet."""
    signed = [words for words in RIGHT if "allowed-ips" in words and words[-1][:1] in ("+", "-")]
    assert [words for words in RIGHT if not wg_understands("set", "fwgtest", *words)] == signed
    assert [words for words, _ in WRONG if wg_understands("set", "fwgtest", *words)] == LAX


def test_host_bits_are_warned_of():
    done = run("set", "fwgtest", "peer", KEY, "allowed-ips",
               "255.0.0.0/8,10.128.0.0/8,10.0.0.1/8,fd00::/8,fd00::1/8,1.2.3.4/32,1::1/128")
    warnings = [line for line in done.stderr.splitlines() if "Warning" in line]
    assert [line.split("`")[1] for line in warnings] == [
        "10.128.0.0/8'", "10.0.0.1/8'", "fd00::1/8'"]


@pytest.mark.parametrize("retries, good", [
    ("", True), ("0", True), ("7", True), ("infinity", True),
    ("2147483647", True), ("-1", False), ("many", False), ("1x", False), ("2147483648", False),
])
def test_number_of_retries(retries, good):
    message = error("set", "fwgtest", "peer", KEY, "endpoint", "192.0.2.1:1",
                    env={"WG_ENDPOINT_RESOLUTION_RETRIES": retries})
    assert message.startswith(NOT_THERE) == good
    assert good or message == f"fwg: Unable to parse WG_ENDPOINT_RESOLUTION_RETRIES: `{retries}'"


# The grammar of files.

# The example of wg(8).
EXAMPLE = """\
[Interface]
PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
ListenPort = 51820

[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
Endpoint = 192.95.5.67:1234
AllowedIPs = 10.192.122.3/32, 10.192.124.0/24

[Peer]
PublicKey = TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
Endpoint = [2607:5300:60:6b0::c05f:543]:2468
AllowedIPs = 10.192.122.4/32, 192.168.0.0/16
"""


@pytest.fixture(name="conf")
def fixture_conf(tmp_path):
    """A function: the error of setconf for a text."""
    def conf(text):
        path = tmp_path / "fwg.conf"
        path.write_text(text, encoding="utf-8")
        return error("setconf", "fwgtest", path).replace(str(path), "FILE")
    return conf


FILES = [
    "", "\n \n", "# nothing", "[Interface]", EXAMPLE, EXAMPLE.rstrip("\n"),
    EXAMPLE.replace("\n", "\r\n"), EXAMPLE.replace(" = ", "="), EXAMPLE.replace(" = ", "\t=  "),
    EXAMPLE.replace("1234", "1234 # the # port"), EXAMPLE.replace("[Peer]", " [ pEEr ] # a peer"),
    EXAMPLE.replace("ListenPort", "listenPORT"),
    EXAMPLE + "PersistentKeepalive = off\nPresharedKey = " + KEY,
    EXAMPLE.replace("ListenPort = 51820", "FwMark = 0x1"),
    EXAMPLE + "AllowedIPs = 10.0.0.0/8\nAllowedIPs = 10.1.0.0/16\n",
    "[Peer]\nPublicKey=" + KEY + "\n[Interface]\nListenPort=1\n[Peer]\nPublicKey=" + KEY,
    "[Interface]\nListenPort=1\n[Interface]\nListenPort=2", "[Interface]\nListenPort=domain",
    EXAMPLE.replace("51820", "5 1\t820"), EXAMPLE.replace(" = yAnz", " = y A nz"),
    EXAMPLE + "Endpoint = localhost:domain", EXAMPLE + "PublicKey = " + KEY,
    "[Peer]\nAllowedIPs = ::/0\nPublicKey = " + KEY,
]

FILES_OF_LATER_WG = [EXAMPLE + "AllowedIPs = +10.1.0.0/16, -10.2.0.0/16"]


@pytest.mark.parametrize("text", FILES + FILES_OF_LATER_WG)
def test_files_that_are_understood(conf, text):
    assert conf(text).startswith(NOT_THERE)


WRONG_FILES = [
    ("ListenPort=1", "FILE:1: Line unrecognized: `ListenPort' before any section"),
    ("\n[Interfaces]",
     "FILE:2: Line unrecognized: `[Interfaces]' is neither [Interface] nor [Peer]"),
    ("[Peer", "FILE:1: Line unrecognized: `[Peer' is neither [Interface] nor [Peer]"),
    ("[Interface]\nMTUs = 1420", "FILE:2: Line unrecognized: `MTUs' in [Interface]"),
    ("[Interface]\nEndpoint=::1:1", "FILE:2: Line unrecognized: `Endpoint' in [Interface]"),
    ("[Interface]\nlisten-port=1", "FILE:2: Line unrecognized: `listen-port' in [Interface]"),
    ("[Interface]\nListenPort", "FILE:2: Line unrecognized: `ListenPort' needs a value"),
    ("[Interface]\n=", "FILE:2: Line unrecognized: `' in [Interface]"),
    ("[Interface]\n#\n\nListenPort=x y",
     "FILE:4: Port is neither 0-65535 nor a service name: `xy'"),
    (EXAMPLE + "FwMark=1", "FILE:14: Line unrecognized: `FwMark' in [Peer]"),
    (EXAMPLE + "Endpoint=1", "FILE:14: Unable to find port of endpoint: `1'"),
    (EXAMPLE + "Endpoint=::1:99999",
     "FILE:14: Port of endpoint is neither 0-65535 nor a service name: `::1:99999'"),
    (EXAMPLE + "Endpoint=[::1:1", "FILE:14: Unable to find matching brace of endpoint: `[::1:1'"),
    (EXAMPLE + "AllowedIPs=::1, 1", "FILE:14: Unable to parse IP address: `1'"),
    (EXAMPLE + "AllowedIPs=::1/129", "FILE:14: AllowedIP is not in the correct format: `::1/129'"),
    (EXAMPLE + "PublicKey=x", "FILE:14: Key is not the correct length or format: `x'"),
    # Words that may be secrets are not printed.
    ("[Interface]\nPrivateKey=x",
     "FILE:2: Key is not the correct length or format: the value of `PrivateKey'"),
    (EXAMPLE + "PresharedKey=x",
     "FILE:14: Key is not the correct length or format: the value of `PresharedKey'"),
    (f"[Interface]\n PrivateKey {KEY}", "FILE:2: Line unrecognized: `PrivateKey' in [Interface]"),
    (f"[Interface]\nKey = {KEY}", "FILE:2: Line unrecognized: `Key' in [Interface]"),
    # A key file taken for a configuration, and typing errors: no part of a key is printed.
    *((text, f"FILE:{text.count(chr(10)) + 1}: Line unrecognized: its first word is too long")
      for text in (KEY, f"[{KEY}", f"[Interface]\nPrivateKey{KEY}",
                   f"[Interface]\n{KEY} = PrivateKey")),
    ("[Peer]\n[Interface]",
     "FILE:2: A peer is missing a public key: [Peer] without `PublicKey' ends here"),
    (EXAMPLE + "[Peer]\n\n",
     "FILE:15: A peer is missing a public key: [Peer] without `PublicKey' ends here"),
    (EXAMPLE + "; Endpoint", "FILE:14: Line unrecognized: `;' in [Peer]"),
    ("[Interface]\nPrivateKey=", "FILE:2: Line unrecognized: `PrivateKey' needs a value"),
    (EXAMPLE + "AllowedIPs=", "FILE:14: Line unrecognized: `AllowedIPs' needs a value"),
    (EXAMPLE + "AllowedIPs=+", "FILE:14: Unable to parse IP address: `+'"),
    # Settings of wg-quick.
    *(("[Interface]\n" + line,
       f"FILE:2: Line unrecognized: `{line.split('=')[0]}' in [Interface] "
       "(wg-quick's: use <(wg-quick strip FILE))")
      for line in ("Address=10.0.0.1/24", "DNS=192.0.2.53", "Table=off", "PreUp=true",
                   "PostUp=true", "PreDown=true", "PostDown=true", "SaveConfig=true")),
]


@pytest.mark.parametrize("text, message", WRONG_FILES)
def test_files_that_are_wrong(conf, text, message):
    assert conf(text) == f"fwg: {message}"


@pytest.mark.parametrize("command", ["setconf", "addconf", "syncconf"])
def test_wg_is_of_the_same_mind_about_files(tmp_path, command):
    """Except for ports that are too large."""
    def understood(text):
        path = tmp_path / "wg.conf"
        path.write_text(text, encoding="utf-8")
        return wg_understands(command, "fwgtest", path)
    assert [text for text in FILES if not understood(text)] == []
    assert [text for text, _ in WRONG_FILES if understood(text)] == [EXAMPLE + "Endpoint=::1:99999"]


def test_file_of_wg_quick_in_this_folder(tmp_path):
    """wg-quick takes a name without a slash for an interface."""
    (tmp_path / "wg0.conf").write_text("[Interface]\nAddress = 10.0.0.1/24\nListenPort = 1\n")
    message = error("setconf", "fwgtest", "wg0.conf", cwd=tmp_path)
    strip = re.search(r"use <\((wg-quick strip .*)\)\)$", message)[1]
    assert strip == "wg-quick strip ./wg0.conf"
    done = subprocess.run(["bash", "-c", f"{FWG} setconf fwgtest <({strip})"], cwd=tmp_path,
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.startswith(NOT_THERE), done.stderr


@pytest.mark.parametrize("path", ["/nowhere/fwg.conf", "/"])
def test_files_that_cannot_be_read(path):
    assert f"`{path}': " in error("addconf", "fwgtest", path)


# Keys.

@pytest.mark.parametrize("words, name", [
    (["genkey"], "private_key"), (["genpsk"], "preshared_key"), (["pubkey"], "public_key")])
def test_json_of_keys(words, name):
    for command in ([*words, "--json"], ["--json", *words]):
        done = run(*command, input=GOOD)
        (member, key), = json.loads(done.stdout).items()
        assert done.returncode == 0 and done.stdout.count("\n") == 1
        assert member == name and len(base64.b64decode(key)) == 32
    if name == "public_key":
        assert key + "\n" == wg_public_key(GOOD)


def wg_public_key(private):
    return run("pubkey", tool="wg", input=private).stdout


def test_genkey():
    keys = {run("genkey").stdout for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        secret = base64.b64decode(key, validate=False)
        assert len(key) == 45 and key.endswith("=\n") and len(secret) == 32
        assert secret[0] & 7 == 0 and secret[31] & 0xc0 == 0x40
        assert run("pubkey", input=key).stdout == wg_public_key(key)


def test_genpsk():
    keys = [base64.b64decode(run("genpsk").stdout) for _ in range(50)]
    assert len(set(keys)) == 50 and {len(key) for key in keys} == {32}
    # Not clamped: all 256 bits are random.
    assert any(key[0] & 7 for key in keys) and any(key[31] & 0x80 for key in keys)


@pytest.mark.parametrize("command", ["genkey", "genpsk"])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o604, 0o602])
def test_warning_of_readable_file(tmp_path, command, mode):
    path = tmp_path / "key"
    with path.open("w", encoding="ascii") as file:
        os.fchmod(file.fileno(), mode)
        done = run(command, stdout=file)
    assert done.returncode == 0 and path.stat().st_size == 45
    assert done.stderr.count("Warning") == bool(mode & stat.S_IRWXO)


def test_pubkey_of_rfc7748():
    """Alice's keys in section 6.1."""
    private, public = (base64.b64encode(bytes.fromhex(key)).decode() for key in (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))
    assert run("pubkey", input=private).stdout == public + "\n"


def test_pubkey_of_any_32_bytes():
    generator = random.Random(1)
    for number in range(200):
        key = base64.b64encode(generator.randbytes(32)).decode()
        if number < 2:
            key = base64.b64encode(bytes([255 * number]) * 32).decode()
        assert run("pubkey", input=key).stdout == wg_public_key(key) != ""


def encoded(text):
    return base64.b64encode(bytes(text)).decode()


GOOD = encoded(range(32))


@pytest.mark.parametrize("text", [
    "", "\n", "x", GOOD[:-1], GOOD[:-1] + "\n", GOOD + "=", GOOD + "x", GOOD + "\nx",
    " " + GOOD, GOOD[:20] + "\n" + GOOD[20:], GOOD[:-2] + "==", GOOD[:-1] + "A",
    encoded(range(31)), encoded(range(33)), GOOD + GOOD,
    # The same 32 bytes in another spelling: the unused bits are not zero.
    GOOD[:-2] + chr(ord(GOOD[-2]) + 1) + "=",
    # The alphabet of URLs.
    "-" + GOOD[1:], "_" + GOOD[1:],
    *(GOOD[:7] + letter + GOOD[8:] for letter in "=*@[`{:. \t\0\x7f\x80\xff"),
])
def test_pubkey_refuses(text):
    text = text.encode("latin-1")
    ours, theirs = (subprocess.run([tool, "pubkey"], input=text, capture_output=True, check=False,
                                   timeout=60) for tool in (FWG, "wg"))
    assert ours.returncode == theirs.returncode == 1
    assert ours.stdout == theirs.stdout == b""
    assert ours.stderr.startswith(b"fwg: ") and ours.stderr.count(b"\n") == 1
    assert b"`stdin'" in ours.stderr


@pytest.mark.parametrize("tail", ["", "\n", "\r\n", " \t\n\n", "\n" * 10000, "\0", "\n\0\n"])
def test_pubkey_takes_white_space_after_the_key(tail):
    done = run("pubkey", input=GOOD + tail)
    assert done.stdout == wg_public_key(GOOD + tail) != ""


def test_every_last_letter_is_judged_as_by_wg():
    """Only 16 of the 64 letters have no unused bits set; a key with another one is refused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    taken = [letter for letter in alphabet
             if run("pubkey", input=GOOD[:-2] + letter + "=").returncode == 0]
    assert "".join(taken) == alphabet[::4]


@pytest.mark.parametrize("setting", [["private-key"], ["peer", KEY, "preshared-key"]])
@pytest.mark.parametrize("content, good", [
    (b"", True),
    (GOOD.encode(), True),
    (GOOD.encode() + b"\n \n", True),
    (b"\n", False),
    (GOOD[:-1].encode() + b"\n", False),
    (GOOD.encode() + b"\nx", False),
])
def test_key_files(tmp_path, setting, content, good):
    path = tmp_path / "key"
    path.write_bytes(content)
    message = error("set", "fwgtest", *setting, path)
    assert message.startswith(NOT_THERE) == good
    assert good or f"`{path}'" in message
    assert GOOD[:20] not in message


def test_key_from_a_command_that_fails(tmp_path):
    """Only an empty file or /dev/null removes a key, not an empty pipe."""
    script = f'exec "$0" set fwgtest private-key <(false) 2>{tmp_path}/{{}}'
    for tool in FWG, "wg":
        done = subprocess.run(["bash", "-c", script.format("err"), tool], check=False, timeout=60)
        message = (tmp_path / "err").read_text()
        assert done.returncode == 1 and "Unable to modify" not in message, message


def test_key_from_stdin():
    assert is_understood("private-key", "/dev/stdin", input=GOOD)
    assert "`/dev/stdin'" in error("set", "fwgtest", "private-key", "/dev/stdin", input="x")


@pytest.mark.parametrize("words", [["genkey"], ["genpsk"], ["help"]])
def test_lost_output_is_an_error(words):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = run(*words, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "fwg: Unable to write output: No space left on device\n"
