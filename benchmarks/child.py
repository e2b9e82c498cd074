"""The inside of a measuring process: call one function and write down what it returns."""

import importlib
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    function = getattr(importlib.import_module(f"benchmarks.{order['module']}"), order["name"])
    Path(sys.argv[2]).write_text(json.dumps(function(**order["arguments"])))
