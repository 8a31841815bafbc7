"""From an author's module to a component, by componentize-py."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .expert import Expert
from .skill import Skill

PACKAGE = Path(__file__).parent
NEEDS_SECTION = b"perstack:needs"

#: The module that componentize-py starts with. Neither name may be that of the author's module, or of a world.
COMPONENT = "perstack_component"
CODE = {
    "skill": "from perstack.guest.skill import tools_of\nfrom {module} import {name}\n\nTools = tools_of({name})\n",
    "expert": "from perstack.guest.expert import logic_of\nfrom {module} import {name}\n\nLogic = logic_of({name})\n",
}


class BuildError(Exception):
    """What is wrong with the module, or missing on the machine."""


def build(file: str, out: str) -> str:
    """Builds the module `file`; gives a line that says what was built."""
    source = Path(file).resolve()
    name, made = _definition(source)
    kind = "skill" if isinstance(made, Skill) else "expert"
    with tempfile.TemporaryDirectory() as folder:
        entry = Path(folder) / f"{COMPONENT}.py"
        entry.write_text(CODE[kind].format(module=source.stem, name=name))
        command = [
            _tool(),
            *("-d", str(PACKAGE / "wit"), "-d", str(PACKAGE / "worlds.wit"), "-w", f"perstack:python/{kind}"),
            "componentize",
            COMPONENT,
            *("-p", folder, "-p", str(source.parent), "-p", str(PACKAGE.parent), "-o", out),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"componentize-py failed:\n{done.stdout}{done.stderr}".rstrip())
    if isinstance(made, Skill) and made.needs is not None:
        with open(out, "ab") as component:
            component.write(_section(NEEDS_SECTION, made.needs.encode()))
    return f"{out} · {kind} · {Path(out).stat().st_size / 1e6:.1f} MB"


def _tool() -> str:
    beside = Path(sys.executable).parent / "componentize-py"
    found = str(beside) if beside.exists() else shutil.which("componentize-py")
    if found is None:
        raise BuildError("componentize-py is not there\nhint: pip install componentize-py==0.25.1")
    return found


def _definition(source: Path) -> tuple[str, Any]:
    """The module's one skill or Expert, and its name there."""
    spec = importlib.util.spec_from_file_location(source.stem, source)
    if spec is None or spec.loader is None or not source.is_file():
        raise BuildError(f"`{source}` is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.stem] = module
    sys.path.insert(0, str(source.parent))
    spec.loader.exec_module(module)
    found = [(name, value) for name, value in vars(module).items() if isinstance(value, Skill | Expert)]
    if len(found) != 1:
        raise BuildError(f"`{source.name}` has {len(found)} skills and Experts, and a component is one of them")
    name, made = found[0]
    if isinstance(made, Skill) and not made.tools:
        raise BuildError(f"the skill `{name}` of `{source.name}` has no tools")
    return name, made


def _section(name: bytes, content: bytes) -> bytes:
    """A custom section: a zero, the length, the name with its length, the content."""
    body = _number(len(name)) + name + content
    return b"\0" + _number(len(body)) + body


def _number(value: int) -> bytes:
    """Unsigned LEB128."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append((value & 0x7F) | 0x80)
        value >>= 7
    return bytes([*encoded, value])
