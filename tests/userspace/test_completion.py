# SPDX-License-Identifier: GPL-2.0
"""Completion in an interactive bash on a terminal: the tests press keys and read the line.

Names of files and interfaces are not trusted: completion quotes them and never runs them.
"""

import os
import re
import select
import shlex
import subprocess

import pytest
from test_fwg import COMMANDS, FIELDS, KEY, SETTINGS, run
from uml import FWG, TOP

TAB, ALL, LOOK = "\t", "\x1b*", "\x18\x0c"  # ALL inserts every completion
LIMIT = 60
BOOBY_TRAPS = ["$(touch pwned)", "$(touch${IFS}pwned)", "`touch pwned`", ";touch pwned",
               "&touch pwned", "it's", '"', "*", "~", "-x", "a=b"]
INTERFACES = ["fwg0", "wg1", "$(touch>pwned)", "`touch>pwned`", "*", "a=b", "peer", "';touch>pwned"]
KEYS = [KEY, "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="]

# Replaces fwg.
STAND_IN = f"""\
#!/bin/sh
case "$*" in
"show interfaces") printf '%s ' {shlex.join(INTERFACES)}; echo ;;
"show fwg0 peers" | "show a=b peers" | "show peer peers") printf '%s\\n' {shlex.join(KEYS)} ;;
esac
"""

# bind -x runs a command that gets the line in a variable, and can change it there.
SETUP = """\
bind 'set enable-bracketed-paste off' 'set bell-style none' 'set completion-query-items 0'
look() {{ printf '%s\\0' "$READLINE_LINE" >&{fd}; READLINE_LINE=; }}
bind -x '"\\C-x\\C-l": look'
source {completion}/fwg.bash; source {completion}/fwg-audit.bash
look
"""


class Bash:
    """An interactive shell in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "bin").mkdir()
        stand_in = folder / "bin" / "fwg"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        (folder / "home").mkdir()
        self.pipe, pipe = os.pipe()
        self.terminal, inside = os.openpty()
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"], cwd=folder / "home", pass_fds=[pipe],
            stdin=inside, stdout=inside, stderr=inside, start_new_session=True,
            env={"PATH": f"{folder}/bin:{FWG.parent}:{os.environ['PATH']}",
                 "HOME": str(folder / "home"), "TERM": "dumb",
                 "LC_ALL": "C.UTF-8", "INPUTRC": "/dev/null", "HISTFILE": ""})
        os.close(inside)
        os.close(pipe)
        setup = SETUP.format(fd=pipe, completion=TOP / "userspace" / "completion")
        (folder / "setup").write_text(setup)
        self.press(f"source {folder}/setup\r", look="")

    def press(self, keys, look=LOOK):
        """The line after KEYS."""
        os.write(self.terminal, (keys + look).encode())
        line = b""
        while not line.endswith(b"\0"):
            ready, _, _ = select.select([self.pipe, self.terminal], [], [], LIMIT)
            assert ready, (keys, line)
            if self.terminal in ready:
                os.read(self.terminal, 65536)
            if self.pipe in ready:
                line += os.read(self.pipe, 65536)
        return line[:-1].decode()

    def offered(self, line):
        """The completions at the end of LINE, as bash reads them once they are inserted."""
        line += ALL
        words = shlex.split(self.press(line))
        before = len(shlex.split(line.removesuffix(ALL) + "x")) - 1
        return sorted(words[before:])

    def end(self):
        """Ends the shell, and checks that no name was run."""
        self.process.kill()
        self.process.wait(LIMIT)
        os.close(self.pipe)
        os.close(self.terminal)
        assert not list(self.folder.rglob("pwned"))


@pytest.fixture(name="bash")
def fixture_bash(tmp_path):
    shell = Bash(tmp_path)
    yield shell
    shell.end()


FILE_WORDS = ["setconf fwg0", "addconf fwg0", "syncconf fwg0", "set fwg0 private-key",
              f"set fwg0 peer {KEY} preshared-key", "set fwg0 listen-port 1 private-key"]
TOOLS = ["fwg " + words for words in FILE_WORDS] + ["fwg-audit", "fwg-audit --json"]


@pytest.mark.parametrize("line", TOOLS)
def test_files(bash, line):
    """File names are completed as for any command."""
    home = bash.folder / "home"
    assert bash.press(f"{line} {TAB}") == f"{line} "
    (home / "folder").mkdir()
    (home / "folder" / "inside").touch()
    (home / "my conf.conf").touch()
    (home / ".hidden").touch()
    assert bash.press(f"{line} f{TAB}") == f"{line} folder/"
    assert bash.press(f"{line} f{TAB}{TAB}") == f"{line} folder/inside "
    assert bash.press(f"{line} /dev/nul{TAB}") == f"{line} /dev/null "
    assert bash.press(f"{line} ~/.h{TAB}") == f"{line} ~/.hidden "
    assert bash.press(f"{line} my{TAB}") == rf"{line} my\ conf.conf "
    assert bash.press(rf"{line} my\ {TAB}") == rf"{line} my\ conf.conf "
    assert bash.press(f'{line} "my{TAB}') == f'{line} "my conf.conf" '
    assert bash.press(f"{line} 'my{TAB}") == f"{line} 'my conf.conf' "
    assert bash.offered(f"{line} ") == [".hidden", "folder", "my conf.conf"]


@pytest.mark.parametrize("line", TOOLS)
def test_files_with_names_that_are_code(bash, line):
    for name in BOOBY_TRAPS:
        (bash.folder / "home" / name).touch()
    (bash.folder / "home" / "$(touch pwned)d").mkdir()
    (bash.folder / "home" / "$(touch pwned)d" / "$(touch pwned)").touch()
    assert bash.offered(f"{line} ") == sorted([*BOOBY_TRAPS, "$(touch pwned)d"])
    bash.press(f"{line} {TAB}{TAB}")
    assert bash.press(rf"{line} \$\(touch\ pwned\)d{TAB}{TAB}") == (
        rf"{line} \$\(touch\ pwned\)d/\$\(touch\ pwned\) ")
    for typed in ("$(touch pwned)", "$(touch pwned)d/", "`touch pwned`", "'$(touch pwned)",
                  '"$(touch pwned)'):
        bash.press(f"{line} {typed}{TAB}")


@pytest.mark.parametrize("command", ["show", "showconf", "set", "setconf", "addconf", "syncconf",
                                     "reset"])
def test_interfaces(bash, command):
    """All names are offered, quoted."""
    others = {"--help"} | ({"--json"} if "show" in command else set()) | (
        {"all", "interfaces"} if command == "show" else set())
    assert bash.offered(f"fwg {command} ") == sorted({*INTERFACES, *others})
    assert bash.press(f"fwg {command} fw{TAB}") == f"fwg {command} fwg0 "
    assert bash.press(rf"fwg {command} \${TAB}") == rf"fwg {command} \$\(touch\>pwned\) "
    assert bash.press(rf"fwg {command} \`{TAB}") == rf"fwg {command} \`touch\>pwned\` "
    assert bash.press(rf"fwg {command} \*{TAB}") == rf"fwg {command} \* "
    assert bash.press(f"fwg {command} fx{TAB}") == f"fwg {command} fx"
    for typed in "$(touch pwned)", "`touch pwned`", "'", '"', "*":
        bash.press(f"fwg {command} {typed}{TAB}")


@pytest.mark.parametrize("interface", ["fwg0", "a=b", "peer"])
@pytest.mark.parametrize("command", ["set {} peer", "reset {} peer", "set {} fwmark 1 peer",
                                     "set {} private-key peer peer", f"set {{}} peer {KEY} peer",
                                     f"set {{}} peer {KEY} remove peer"])
def test_keys(bash, interface, command):
    """Keys end in =, where bash splits words."""
    line = f"fwg {command.format(interface)}"
    assert bash.offered(f"{line} ") == sorted(KEYS)
    for key in KEYS:
        assert bash.press(f"{line} {key[:3]}{TAB}") == f"{line} {key} "
        assert bash.press(f"{line} {key}{TAB}") == f"{line} {key}"


def test_keys_of_a_name_that_is_code(bash):
    for name in "$(touch>pwned)", "`touch>pwned`", "$(touch pwned)":
        assert bash.offered(f"fwg set {shlex.quote(name)} peer ") == []
        assert bash.press(f"fwg set {name} peer {TAB}") == f"fwg set {name} peer "


OF_PEER = sorted("peer remove preshared-key endpoint persistent-keepalive allowed-ips".split())
OF_DEVICE = sorted("listen-port fwmark private-key peer".split())


def test_settings(bash):
    assert sorted({*OF_PEER, *OF_DEVICE}) == sorted(SETTINGS)
    for before in "", " listen-port 1", " fwmark peer", " private-key peer":
        for interface in "fwg0", "peer", "remove", "a=b":
            assert bash.offered(f"fwg set {interface}{before} ") == OF_DEVICE
    for before in "", f" peer {KEYS[1]}", " remove", " endpoint [fd00::1]:7", " allowed-ips ::/0":
        assert bash.offered(f"fwg set fwg0 peer {KEY}{before} ") == OF_PEER
        assert bash.press(f"fwg set fwg0 peer {KEY}{before} al{TAB}").endswith(" allowed-ips ")
    for setting in "fwmark", f"peer {KEY} persistent-keepalive":
        assert bash.offered(f"fwg set fwg0 {setting} ") == ["off"]
    for setting in "listen-port", f"peer {KEY} endpoint", f"peer {KEY} allowed-ips":
        assert bash.offered(f"fwg set fwg0 {setting} ") == []
    # The part of a value after : or = is not completed to a setting.
    for value in "host:p", "[::1]:p", "fd00::p", "p=p":
        assert bash.press(f"fwg set fwg0 peer {KEY} endpoint {value}{TAB}").endswith(f" {value}")


def test_commands(bash):
    assert bash.offered("fwg ") == sorted(
        [*COMMANDS, "help", "version", "--json", "--help", "--version"])
    assert bash.offered("fwg sh") == bash.offered("fwg --json sh") == ["show", "showconf"]
    assert bash.press(f"true; fwg mon{TAB}") == "true; fwg monitor "
    assert bash.offered("fwg help ") == sorted(["--help", *COMMANDS])
    for command in COMMANDS:
        assert "--help" in bash.offered(f"fwg {command} ")
        usage = run(command, "--help").stdout
        assert usage.count("--json") == bash.offered(f"fwg {command} ").count("--json")
        assert usage.count("--require") == bash.offered(f"fwg {command} ").count("--require")
    for which in "all", "fwg0", "a=b", "--json fwg0", "fwg0 --json":
        assert set(bash.offered(f"fwg show {which} ")) == {*FIELDS, "--json"}
    assert bash.offered("fwg generation --require ") == ["notifier", "packet"]
    assert bash.offered("fwg reset fwg0 ") == ["peer"]


def test_without_the_module(bash):
    """If fwg fails, nothing is offered and nothing printed."""
    (bash.folder / "bin" / "fwg").write_text("#!/bin/sh\necho fwg: no >&2; exit 1\n")
    assert bash.offered("fwg set ") == ["--help"]
    assert bash.offered("fwg set fwg0 peer ") == []


def test_options_of_the_auditor(bash):
    usage = run("--help", tool=FWG.parent / "fwg-audit").stdout
    options = sorted(set(re.findall(r"--[a-z]+", usage)))
    assert "--json" in options
    assert bash.offered("fwg-audit -") == bash.offered("fwg-audit --json file -") == options
    for option in "--memory", "-m", "--filter", "-f":
        (bash.folder / "home" / "file").touch()
        assert bash.offered(f"fwg-audit {option} ") == []
