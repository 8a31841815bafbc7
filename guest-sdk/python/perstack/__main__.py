"""Builds a component: `python -m perstack build hello.py -o hello.wasm`."""

import argparse
import sys

from .build import BuildError, build


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m perstack", description="Builds skills and Experts.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("build", help="build a component from a module")
    command.add_argument("file", help="a module with one `Skill`, or one `@expert`")
    command.add_argument("-o", "--out", default="skill.wasm")
    arguments = parser.parse_args()
    try:
        print(build(arguments.file, arguments.out))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
