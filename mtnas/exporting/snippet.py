"""How to run an exported network without mtnas and without torch: told in its card, and run by a test."""

SNIPPET = """\
import json
import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import
import numpy as np
import onnxruntime

here = Path(os.environ.get("MODEL_DIR", "."))
about = json.loads((here / "model.json").read_text())
options = onnxruntime.SessionOptions()
cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
options.add_session_config_entry("session.x64quantprecision", str(int("vnni" not in cpu)))
session = onnxruntime.InferenceSession(here / "model.onnx", options, disabled_optimizers=["WeightBiasQuantization"])
batch = {one["name"]: np.zeros((1, *one["shape"]), one["dtype"]) for one in about["inputs"]}  # put your samples here
for task, value in zip(about["tasks"], session.run(about["tasks"], batch)):
    print(task, value.shape)
"""

WHY = """\
`session.x64quantprecision` keeps sums of 8-bit products from overflowing on x86 CPUs without VNNI, and slows down those
that have it. The optimizer that is switched off would run operators in integers that the file keeps in float."""
