"""What a peer says and hears: JSON lines on stdin and stdout.

    {"cmd": "prepare", ...options}  ->  {"torch": "1.13.1", "threads": 2}
    {"cmd": "run", "steps": 3}      ->  {"wall": s, "cpu": s, "loss": x, "counts": {...}}

The process lives until its stdin closes, so that the harness can alternate it with another one, both warm.
"""

import json
import os
import sys
import time

THREADS = int(os.environ.setdefault("OMP_NUM_THREADS", "2"))

import torch  # noqa: E402  (after the thread count is set)


def serve(prepare):
    """Answer commands until stdin closes. `prepare(options)` gives `step() -> loss tensor` and a dict of counters."""
    torch.set_num_threads(THREADS)
    step, counts = None, {}
    for line in sys.stdin:
        request = json.loads(line)
        command = request.pop("cmd")
        if command == "prepare":
            torch.manual_seed(request.get("seed", 0))
            step, counts = prepare(request)
            reply = {"torch": torch.__version__, "threads": torch.get_num_threads()}
        elif command == "run" and step is not None:
            reply = timed(step, request["steps"], counts)
        else:
            reply = {"error": f"peer: expected prepare, then run, got {command}"}
        print(json.dumps(reply), flush=True)


def timed(step, steps, counts):
    """Run `steps` steps; wall and processor seconds (all threads of this process), last loss, what was counted."""
    before = dict(counts)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        loss = step()
    loss = loss.item()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "loss": loss, "counts": {name: counts[name] - before[name] for name in counts}}


def random_batch(size, classes=10):
    """Synthetic images in [0, 1] and labels: the time of a step does not depend on what is seen."""
    return torch.rand(size, 3, 32, 32), torch.randint(classes, (size,))
