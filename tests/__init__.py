"""Tests. The Hub's library is told before its import what the service tells it: to ask nothing of its own accord."""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
