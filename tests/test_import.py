"""What ``import aiosipreg`` loads: nothing that an account by UDP at a numeric server can do without."""

from __future__ import annotations

import subprocess
import sys

SPARED = ("aiodns", "cryptography", "pycares", "rich", "click", "uvloop", "websockets")


def test_what_not_everybody_needs_is_loaded_when_it_is_needed() -> None:
    script = f"import sys, aiosipreg; print([name for name in {SPARED} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
