"""Run the program named by the first argument: under -I no package of ours is found by itself."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
script = sys.argv.pop(1)
runpy.run_module(f"tests.field.programs.{script}", run_name="__main__")
