"""A program that starts processes which each carry out an order, as quickly as a process can be started: by a fork.

Each line on stdin is a JSON list of orders. It answers with a line that has the processes' ids, then, where there is
only one process, with its report, then with a line that has their statuses as `subprocess` gives them. It does not use
the cache itself.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import traceback

from faults.lines import say
from faults.program import Order, carry_out


def start(order: Order, *, reports: bool) -> int:
    """Start a process and return its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have switched off
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        report = carry_out(order)
        if reports:
            say({"report": dataclasses.asdict(report)})
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException:  # noqa: BLE001 - nothing may go on in the child of a fork
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Serve until stdin ends. Ctrl-C has to wait until a new process can take it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    for line in sys.stdin:
        orders = [Order(**order) for order in json.loads(line)]
        pids = [start(order, reports=len(orders) == 1) for order in orders]
        say({"pids": pids})
        say({"statuses": [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]})


if __name__ == "__main__":
    main()
