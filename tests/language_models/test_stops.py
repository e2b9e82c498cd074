"""Runs that are stopped keep what was finished, and go on from there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import riskwright
from riskwright.language_models import complete_many

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

RUN = """
import json, sys
from riskwright.language_models import ChatRequest, Endpoint, complete_many
url, journal, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
requests = [ChatRequest(messages=({"role": "user", "content": str(i)},)) for i in range(n)]
endpoint = Endpoint(url=url, journal=journal, model="guard", concurrency=4)
found = complete_many(endpoint, requests)
print(json.dumps([getattr(reply, "kind", "") for reply in found]))
"""


def started(server, journal, n):
    source = Path(riskwright.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(source), *filter(None, sys.path)])}
    command = [sys.executable, "-W", "error", "-c", RUN, server.url, str(journal), str(n)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=env, **pipes)


def until(condition):
    end = time.monotonic() + 30.0
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


def finished(journal):
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


def test_a_killed_run_goes_on_where_it_stopped(server, fakes, tmp_path):
    journal = tmp_path / "calls.jsonl"
    server.replies(fakes.Answer(fakes.chat("safe"), delay=0.005))
    process = started(server, journal, 10_000)
    until(lambda: finished(journal) >= 40)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = finished(journal)
    assert done < 10_000
    time.sleep(0.05)
    server.asked.clear()
    n = done + 20
    again = started(server, journal, n)
    out, talk = again.communicate(timeout=30)
    assert (again.returncode, talk) == (0, "")
    assert json.loads(out) == [""] * n
    # calls were finished out of order, by at most the number that was in flight
    assert n - done <= len(server.asked) <= n - done + 4
    server.asked.clear()
    endpoint = server.endpoint(journal=str(journal), concurrency=4)
    found = complete_many(endpoint, [fakes.ask(str(i)) for i in range(n)])
    assert all(reply.cached for reply in found)
    assert server.asked == []


def test_ctrl_c_returns_what_was_finished(server, fakes, tmp_path):
    journal = tmp_path / "calls.jsonl"
    server.answer = lambda asked, number: fakes.Answer(
        fakes.chat("safe"), delay=0.0 if number < 20 else 60.0
    )
    process = started(server, journal, 100)
    until(lambda: finished(journal) >= 20)
    process.send_signal(signal.SIGINT)
    out, talk = process.communicate(timeout=30)
    assert (process.returncode, talk) == (0, "")
    kinds = json.loads(out)
    assert kinds.count("") == 20
    assert kinds.count("interrupted") == 80


def test_importing_the_room_loads_no_client_library():
    source = Path(riskwright.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(source), *filter(None, sys.path)])}
    code = "import sys, riskwright.language_models as l; l.Client; print('aiohttp' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert run.stdout == "False\n"
