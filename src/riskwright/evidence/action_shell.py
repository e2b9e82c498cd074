"""What a shell command would do, told from its words; nothing is ever run or expanded."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from riskwright.core import UnreadableError

from .action_words import gravest, kind_of_name, word_set
from .actions import Kind

__all__ = ["MAX_COMMAND", "ShellFacts", "joined_facts", "read_command"]

MAX_COMMAND = 2**16
_MAX_NESTED = 8

_COMMANDS: dict[str, str] = {
    "read": "ls cat head tail less more wc file stat du df pwd echo printf whoami id uname date "
    "env printenv ps top which type man tree diff cmp sort uniq cut tr awk jq test true false cd "
    "read [ [[ export unset set seq exit break continue return done fi esac }"
    "basename dirname realpath md5sum sha256sum history ping dig nslookup sleep",
    "search": "grep egrep rg find locate fd ag",
    "write": "cp mv mkdir touch tee ln install sed patch truncate tar zip unzip gzip gunzip vi vim "
    "nano git make",
    "send": "ssh scp sftp rsync ftp nc ncat netcat telnet mail sendmail mutt",
    "delete": "rm rmdir shred unlink dd mkfs wipefs fdisk parted kill killall pkill shutdown "
    "reboot halt poweroff",
    "execute": "bash sh zsh dash fish ksh python python3 perl ruby node php eval exec source . "
    "docker podman systemctl service crontab at pip pip3 npm npx yarn apt apt-get yum dnf brew "
    "cargo go kubectl helm terraform psql mysql sqlite3 mongo redis-cli iptables",
    "grant": "chmod chown chgrp usermod useradd adduser passwd visudo setfacl su",
}
_KIND: dict[str, Kind] = {
    word: kind  # type: ignore[misc]
    for kind, words in _COMMANDS.items()
    for word in words.split()
}
_FOR_GOOD = word_set("rm rmdir shred unlink dd mkfs wipefs fdisk parted truncate")
_WRAPPERS = word_set(
    "sudo doas env nohup time nice ionice xargs command builtin stdbuf timeout watch setsid chroot "
    "busybox if then else elif while until do ! {"
)
_REACHES_OUT = word_set("ping dig nslookup curl wget")
_LISTS = word_set("for case select")
_SQL_TOOLS = word_set("psql mysql sqlite3 mongo")
_COMMAND_SHELLS = word_set("bash sh zsh dash ksh fish")
_SHELLS = word_set("bash sh zsh dash ksh python python3 perl ruby node php eval source")
_ENDS = frozenset([";", "&&", "||", "|", "&", "|&", "(", ")", ";;", "\n"])
_DOES: dict[tuple[str, str], tuple[Kind, bool]] = {
    ("git", "push"): ("publish", False),
    ("git", "clean"): ("delete", True),
    ("git", "rm"): ("delete", False),
    ("git", "status"): ("read", False),
    ("git", "log"): ("read", False),
    ("git", "diff"): ("read", False),
    ("git", "show"): ("read", False),
    ("kubectl", "delete"): ("delete", True),
    ("kubectl", "get"): ("read", False),
    ("terraform", "destroy"): ("delete", True),
    ("npm", "publish"): ("publish", True),
    ("docker", "rm"): ("delete", True),
    ("docker", "ps"): ("read", False),
    ("crontab", "-r"): ("delete", True),
}
_MILD: frozenset[Kind] = frozenset({"read", "search"})
_WITH_VALUE: dict[str, frozenset[str]] = {
    name: word_set(options)
    for name, options in {
        "git": "-C --git-dir --work-tree --namespace",
        "kubectl": "-n --namespace --context --kubeconfig",
        "docker": "--context -H --host",
        "sudo": "-u -g -h -p -C -T -r -t -U -D -R",
        "doas": "-u -C",
        "env": "-u --unset -C --chdir",
        "nice": "-n",
        "ionice": "-c -n",
        "timeout": "-s -k",
        "xargs": "-n -I -L -P -d -a -E -s",
        "stdbuf": "-i -o -e",
        "watch": "-n",
        "time": "-f",
    }.items()
}
"""Options whose value is the next word."""
_ACTS_WITH: dict[str, tuple[str, str]] = {
    "sort": ("o", "--output --compress-program"),
    "git": ("c", "--output --ext-diff --exec-path --upload-pack --config-env"),
    "man": ("PH", "--pager --html"),
    "less": ("oOk", "--log-file --LOG-FILE --lesskey-file --lesskey-src"),
    "date": ("s", "--set"),
    "tree": ("oR", "--output"),
    "file": ("C", "--compile"),
    "ag": ("", "--pager"),
    "rg": ("", "--pre --hostname-bin"),
    "fd": ("xX", "--exec --exec-batch"),
    "awk": ("fiElD", "--file --include --exec --load"),
    "printf": ("v", ""),
    "history": ("anrwps", ""),
}
"""Commands that only read, and the options with which they write or run something."""
_RULING = re.compile(
    r"(?:PATH|IFS|ENV|BASH_ENV|HOME|SHELLOPTS|PS4|VISUAL|BROWSER|PROMPT_COMMAND|\w*(?:PAGER|EDITOR)"
    r"|\w*(?:PRELOAD|_COMMAND|SHELL|PROXY|proxy)|(?:LD|DYLD|GIT|PYTHON|PERL|RUBY|NODE|LESS|MAN)\w*)"
    r"\+?(?:=|$)"
)
_DURATION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?[smhd]?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
_FETCH = re.compile(r"\b(?:curl|wget)\b")
_PRINTS = re.compile(r"[0-9,$]{1,40}p")
_AWK_ACTS = re.compile(r"system|[|>]|getline")
_SQL_DELETES = re.compile(r"\b(?:drop|delete|truncate)\b", re.IGNORECASE)
_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_URL = re.compile(r"https?://[^\s'\"<>]+", re.IGNORECASE)


@dataclass
class ShellFacts:
    """What was seen: kind, whether it is for good, signs of concern, paths and addresses."""

    kind: Kind = "unknown"
    for_good: bool = False
    signs: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    unbounded: bool = False
    kinds: list[Kind] = field(default_factory=list)

    def sign(self, name: str) -> None:
        if name not in self.signs:
            self.signs.append(name)


def read_command(command: str | Sequence[str], where: str = "command") -> ShellFacts:
    """What a command line, or a list of its words, would do.

    The gravest of its simple commands decides; a first word that is not known makes the command
    at least "unknown". Substitutions, variables as commands and what follows an interpreter cannot
    be judged and are told as signs.

    Raises
    ------
    UnreadableError : empty, longer than 65,536 characters, or with quotes that do not close.

    Examples
    --------
    >>> facts = read_command("sudo rm -rf /srv/data/*")
    >>> facts.kind, facts.for_good, facts.signs
    ('delete', True, ['sudo', 'recursive', 'force', 'wildcard'])
    """
    facts = ShellFacts()
    _read(command, facts, where, 0)
    facts.kind = gravest(facts.kinds)
    return facts


def joined_facts(found: Sequence[ShellFacts]) -> ShellFacts:
    """What several commands would do together."""
    whole = ShellFacts()
    for one in found:
        for name in one.signs:
            whole.sign(name)
        whole.paths += one.paths
        whole.urls += one.urls
        whole.kinds += one.kinds or ["unknown"]
        whole.for_good |= one.for_good
        whole.unbounded |= one.unbounded
    whole.kind = gravest(whole.kinds)
    return whole


def _read(command: str | Sequence[str], facts: ShellFacts, where: str, depth: int) -> None:
    if _CONTROL.search(command if isinstance(command, str) else "".join(map(str, command))):
        facts.kinds.append("unknown")
    pipes = _simple_commands(_words(command, facts, where))
    for _, simple in pipes:
        _judge(simple, facts, depth)
    _judge_pipes(pipes, facts)


def _read_nested(command: str | Sequence[str], facts: ShellFacts, depth: int) -> None:
    """A command that another one runs; what cannot be read is "unknown"."""
    try:
        if depth < _MAX_NESTED:
            _read(command, facts, "command", depth + 1)
            return
    except UnreadableError:
        pass
    facts.kinds.append("unknown")


def _words(command: str | Sequence[str], facts: ShellFacts, where: str) -> list[str]:
    if not isinstance(command, str):
        words = list(command)
        if not words or not all(isinstance(word, str) for word in words):
            raise UnreadableError("not a command", where=where, expected="a list of words")
        _check_size(sum(map(len, words)), where)
        return words
    _check_size(len(command), where)
    if any(mark in command for mark in ("$(", "`", "<(", ">(")):
        facts.sign("command substitution")
    lexer = shlex.shlex(
        command.replace("\\\n", "").replace("\n", " ; "), posix=True, punctuation_chars=True
    )
    lexer.commenters = ""
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        raise UnreadableError(
            "quotes that do not close", where=where, expected="a shell command"
        ) from None
    if not words:
        raise UnreadableError("empty", where=where, expected="a shell command")
    return words


def _check_size(size: int, where: str) -> None:
    if size > MAX_COMMAND:
        raise UnreadableError(
            "too long", where=where, expected=f"at most {MAX_COMMAND:,} characters", got=f"{size:,}"
        )


def _simple_commands(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """(what joins it to the one before, words) of each simple command."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for word in words:
        substituted = set(word) <= set(";&|()<>") and "(" in word
        if word in _ENDS or substituted or (word and set(word) <= set(";&|()")):
            found.append((word, []))
        else:
            found[-1][1].append(word)
    return [(before, simple) for before, simple in found if simple]


def _judge(words: list[str], facts: ShellFacts, depth: int) -> None:
    words = _without_redirections(words, facts)
    words = _unwrapped(words, facts, depth)
    if not words:
        return
    first = words[0].rpartition("/")[2]
    if first in _LISTS:
        return
    if (inner := _inner(first, words[1:])) is not None:
        facts.sign("interpreter")
        _read_nested(inner, facts, depth)
        return
    if any("$(" in word or "`" in word for word in words):
        facts.kinds.append("execute")
    kind: Kind = _KIND.get(first, "unknown")
    rest = words[1:]
    flags = {letter for w in rest if w.startswith("-") and not w.startswith("--") for letter in w}
    long = {word.partition("=")[0] for word in rest if word.startswith("--")}
    plain = [word for word in rest if not word.startswith("-")]
    kind, good = _with_subcommand(first, rest, plain, kind, flags, long, facts)
    if first in _REACHES_OUT and "command substitution" in facts.signs:
        facts.kinds.append("send")
    if kind in _MILD and _acts(first, rest, plain, flags, long):
        kind = "execute"
    if first == "find":
        for run in _run_by_find(rest):
            _judge(run, facts, depth + 1) if depth < _MAX_NESTED else facts.kinds.append("unknown")
    facts.for_good |= good or (first in _FOR_GOOD or first.startswith("mkfs."))
    if first.startswith("mkfs."):
        kind = "delete"
    if kind in ("delete", "write", "grant"):
        _dangerous_flags(flags, long, facts)
    facts.kinds.append(kind)
    facts.paths += [word for word in plain if "/" in word or "." in word][:100]
    for word in rest:
        facts.urls += _URL.findall(word)[:100]
    wide = any(mark in word for word in plain for mark in "*?") or "/" in plain
    if wide and kind not in ("read", "search"):
        facts.sign("wildcard")
        facts.unbounded = True


def _inner(first: str, rest: list[str]) -> str | None:
    """The command line that `sh -c` or `eval` is given."""
    if first == "eval":
        return " ".join(rest)
    if first in _COMMAND_SHELLS:
        for place, word in enumerate(rest[:-1]):
            if word.startswith("-") and not word.startswith("--") and "c" in word:
                return rest[place + 1]
    return None


def _acts(first: str, rest: list[str], plain: list[str], flags: set[str], long: set[str]) -> bool:
    """Whether a command that otherwise reads writes or runs something here."""
    letters, words = _ACTS_WITH.get(first, ("", ""))
    return bool(
        flags & set(letters)
        or long & word_set(words)
        or (first in ("less", "more") and any(word.startswith("+") for word in rest))
        or (first == "uniq" and len(plain) > 1)
        or (first in ("export", "unset", "read") and any(map(_RULING.match, plain)))
    )


def _run_by_find(rest: list[str]) -> list[list[str]]:
    """The commands that find runs."""
    found = []
    for place, word in enumerate(rest):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            run = itertools.takewhile(lambda one: one not in (";", "+"), rest[place + 1 :])
            found.append(list(run))
    return found


def _without_redirections(words: list[str], facts: ShellFacts) -> list[str]:
    kept: list[str] = []
    skip = False
    for place, word in enumerate(words):
        if skip:
            skip = False
        elif word and set(word) <= set("<>&|") and (">" in word or "<" in word):
            skip = place + 1 < len(words)
            target = words[place + 1] if skip else ""
            if ">" in word and target not in ("/dev/null", "/dev/stderr", "1", "2"):
                facts.paths.append(target)
                onto_a_device = target.startswith("/dev/")
                facts.kinds.append("delete" if onto_a_device else "write")
                facts.for_good |= onto_a_device
                facts.sign("redirect")
        else:
            kept.append(word)
    return kept


def _unwrapped(words: list[str], facts: ShellFacts, depth: int) -> list[str]:
    """Without assignments and commands such as sudo in front."""
    place, wrapper = 0, ""
    while place < len(words):
        word = words[place]
        name = word.rpartition("/")[2]
        before = words[place - 1] if place else ""
        if name in ("sudo", "doas"):
            facts.sign("sudo")
        if _ASSIGNED.match(word):
            if _RULING.match(word):
                facts.sign("environment")
                facts.kinds.append("execute")
        elif wrapper and before.startswith("-") and before in _WITH_VALUE.get(wrapper, ()):
            pass
        elif wrapper == "env" and before in ("-S", "--split-string"):
            _read_nested(word, facts, depth)
        elif wrapper and before.startswith("-") and name not in _KIND and name not in _WRAPPERS:
            facts.kinds.append("unknown")
        elif name in _WRAPPERS:
            wrapper = name
        elif not (wrapper and (word.startswith("-") or _DURATION.fullmatch(word))):
            break
        place += 1
    return words[place:]


def _with_subcommand(
    first: str,
    rest: list[str],
    plain: list[str],
    kind: Kind,
    flags: set[str],
    long: set[str],
    facts: ShellFacts,
) -> tuple[Kind, bool]:
    main = _subcommand(first, rest)
    for word in rest:
        if (first, word) in _DOES and (word == main or _DOES[first, word][0] not in _MILD):
            kind, good = _DOES[first, word]
            if long & {"--force", "--force-with-lease"} or "f" in flags:
                facts.sign("force")
                good = True
            return kind, good
    if first == "git" and "reset" in plain and "--hard" in long:
        return "delete", True
    if first == "find":
        if "-delete" in rest:
            return "delete", True
        if runs := _run_by_find(rest):
            gone = any(run and run[0].rpartition("/")[2] in _FOR_GOOD for run in runs)
            return ("delete", True) if gone else ("execute", False)
    if first == "find" and any(word.startswith("-fprint") for word in rest):
        return "write", False
    if first == "history":
        return ("delete" if "c" in flags else "read"), False
    if first == "sed" and plain and _PRINTS.fullmatch(plain[0]) and not flags & set("iEsf"):
        return "read", False
    if first == "awk" and _AWK_ACTS.search(" ".join(plain)):
        return "execute", False
    if first in _SQL_TOOLS and _SQL_DELETES.search(" ".join(rest)):
        return "delete", True
    if kind == "unknown" and kind_of_name("_".join(plain[:3])) == "delete":
        return "delete", True
    if first in ("curl", "wget"):
        return _of_download(first, rest, flags, long), False
    if first in _SHELLS:
        facts.sign("interpreter")
    return kind, False


def _subcommand(first: str, rest: list[str]) -> str:
    """The first word that is neither an option nor the value of one."""
    for before, word in itertools.pairwise(["", *rest]):
        if not word.startswith("-") and before not in _WITH_VALUE.get(first, ()):
            return word
    return ""


def _of_download(name: str, rest: list[str], flags: set[str], long: set[str]) -> Kind:
    sends = {"--data", "--data-raw", "--data-binary", "--data-urlencode", "--form", "--json"}
    sends |= {"--upload-file", "--post-data", "--post-file"}
    if long & sends or flags & set("dFT"):
        return "send"
    methods = [rest[k + 1].upper() for k, w in enumerate(rest[:-1]) if w in ("-X", "--request")]
    methods += [w[2:].upper() for w in rest if w.startswith("-X") and len(w) > 2]
    if "DELETE" in methods:
        return "delete"
    if set(methods) & {"POST", "PUT", "PATCH"}:
        return "send"
    saves = name == "wget" or flags & set("oO") or long & {"--output", "--remote-name"}
    return "write" if saves else "read"


def _dangerous_flags(flags: set[str], long: set[str], facts: ShellFacts) -> None:
    if flags & set("rR") or "--recursive" in long:
        facts.sign("recursive")
    if "f" in flags or "--force" in long:
        facts.sign("force")
    if "--no-preserve-root" in long:
        facts.sign("force")
        facts.unbounded = True


def _judge_pipes(pipes: Sequence[tuple[str, list[str]]], facts: ShellFacts) -> None:
    """Something fetched or decoded and handed to an interpreter is code from elsewhere."""
    for (_, left), (join, right) in itertools.pairwise(pipes):
        names = {word.rpartition("/")[2] for word in left}
        taken = {word.rpartition("/")[2] for word in right[:3]} & _SHELLS
        fed = join.startswith("|") and join != "||" and bool(taken)
        if fed and names & {"curl", "wget", "base64", "openssl", "nc", "xxd"}:
            facts.sign("remote code")
    fetches = any(_FETCH.search(word) for _, simple in pipes for word in simple)
    if fetches and "command substitution" in facts.signs:
        facts.sign("remote code")
