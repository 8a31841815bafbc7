"""Calls functions of an Extism plugin under Extism's own runtime: `under_extism.py PLUGIN CONFIG CALLS`, all but the first JSON.

A call is a function's name and its input. What comes out is a line of JSON for each: the output, or an error.
"""

import json
import sys

import extism

path, config, calls = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
manifest = {"wasm": [{"path": path}], "memory": {"max_pages": 1000}}
for function, argument in calls:
    # A fresh instance for each, as here.
    with extism.Plugin(manifest, wasi=True, config=config) as plugin:
        try:
            output = plugin.call(function, argument, parse=lambda output: bytes(output).decode())
            print(json.dumps({"output": output}))
        except Exception as error:  # noqa: BLE001
            print(json.dumps({"error": str(error)}))
