#!/bin/sh
# Trains a tiny guard model on harmless texts, serves it with llama.cpp and tests the adapter on it.
#
# run.sh PYTHON: the project's Python. What is built stays in build/tiny_guard; a second run only
# starts the server. GUARD_PORT is the server's, by default a free one.
set -eu
python=$(realpath -s "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work="$root/build/tiny_guard"
port=${GUARD_PORT:-$("$python" -c "
import socket
with socket.socket() as s:
    s.bind(('127.0.0.1', 0))
    print(s.getsockname()[1])")}
mkdir -p "$work"

if [ ! -x "$work/venv/bin/python" ]; then
    "$python" -m venv "$work/venv"
fi
own="$work/venv/bin/python"
if ! "$own" -c "import llama_cpp.server, torch, gguf, tokenizers" 2>/dev/null; then
    echo "Installing torch and building llama.cpp (long) ..."
    "$own" -m pip install --quiet --disable-pip-version-check \
        "torch>=2.4" "gguf>=0.10" "tokenizers>=0.20" "llama-cpp-python[server]>=0.3"
fi
if [ ! -f "$work/tiny_guard.gguf" ]; then
    PYTHONPATH="$root/src" "$python" "$here/corpus.py" "$work/corpus.jsonl"
    (cd "$here" && "$own" train.py "$work/corpus.jsonl" "$work")
    (cd "$here" && "$own" export.py "$work/weights.pt" "$work/new.gguf")
    mv "$work/new.gguf" "$work/tiny_guard.gguf"
fi

"$own" -m llama_cpp.server --model "$work/tiny_guard.gguf" --logits_all true --n_ctx 512 \
    --host 127.0.0.1 --port "$port" >"$work/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT INT TERM
url="http://127.0.0.1:$port/v1"
"$python" - "$url" <<'END'
import sys, time, urllib.request
for _ in range(120):
    try:
        urllib.request.urlopen(sys.argv[1] + "/models", timeout=2).close()
        break
    except OSError:
        time.sleep(0.5)
else:
    sys.exit("the server did not start; see server.log in build/tiny_guard")
END
cd "$root"
RISKWRIGHT_GUARD_URL="$url" "$python" -m pytest -m endpoint -s tests/endpoint
