"""Check, before anything is installed, that this machine has what the build needs."""

import os
import shutil
import sys


def main() -> int:
    """Return 0 when the build can go ahead; else say in one sentence what is missing."""
    if sys.version_info < (3, 11):
        version = ".".join(map(str, sys.version_info[:3]))
        print(
            f"riskwright needs Python 3.11 or newer; {sys.executable} is {version}. "
            "Run e.g. `make PYTHON=python3.12 ...`.",
            file=sys.stderr,
        )
        return 2
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        print(
            "This Python has no `venv` module. On Debian or Ubuntu: apt-get install python3-venv.",
            file=sys.stderr,
        )
        return 2
    compiler = os.environ.get("CXX") or next(
        (name for name in ("c++", "g++", "clang++") if shutil.which(name)), None
    )
    if compiler is None or shutil.which(compiler.split()[0]) is None:
        print(
            "riskwright compiles a small C++ extension and found no C++ compiler. Install one "
            "(Debian/Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; macOS: "
            "xcode-select --install), or set CXX to yours, and run make again.",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
