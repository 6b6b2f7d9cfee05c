"""Python reads this when it starts: from then on its clock goes as far ahead as the environment says.

``time-machine`` moves the clock of the day alone. The monotonic clock, with which everything waits, stays as it is;
so do PostgreSQL, Redis and Chromium, which are not Python.
"""

import os
import time
from datetime import timedelta

import time_machine

_shift_s = float(os.environ["CLOCK_SHIFT_S"])
_traveller = time_machine.travel(time.time() + _shift_s, tick=True).start()
# The start itself took a moment, in each process another one; all processes' clocks have to agree as the machine's do.
_late_s = time_machine.escape_hatch.time.time() + _shift_s - time.time()
_traveller.shift(timedelta(seconds=_late_s))
