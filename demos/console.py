"""The command minicnn: a technique on a photo, the gallery, and weights, by one name each.

`minicnn list` prints all techniques. `minicnn NAME --help` prints the options of one.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from minicnn import program

CONVERTER = {"convert": "convert weights of other frameworks", "fetch": "download published weights and convert them",
             "inspect": "describe a weights file"}
SHELLS = ("bash", "zsh", "tcsh")
PURPOSES = {"list": "print all techniques, by the parts of the lecture", "gallery": "make every picture and one page",
            **CONVERTER, "completion": f"print the completion of a shell: {', '.join(SHELLS)}"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line of minicnn and return the exit code of `minicnn.program.run`.

    argv : the words after minicnn; by default, of this process's command line.
    """
    program.start("minicnn")
    words = list(sys.argv[1:] if argv is None else argv)
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    if command in CONVERTER:
        from .shared.converter import run_converter

        return run_converter(rest if command == "convert" else words)
    if command in ("-h", "--help", "--version") or command in PURPOSES and command != "gallery":
        return program.run("minicnn", lambda: answer(command, rest))
    return run_demo(command, rest)


def answer(command: str, words: list[str]) -> None:
    """Print what one of the short commands asks for. Raises InputError for words that it does not take."""
    from minicnn.errors import InputError, one_line

    if command == "completion":
        print(completion(words))
    elif words:
        raise InputError(f"minicnn {command} takes nothing more, not {one_line(' '.join(words), 100)}")
    elif command == "--version":
        import minicnn

        print(f"minicnn {minicnn.__version__}")
    elif command == "list":
        from .techniques import list_of_demos

        print(list_of_demos())
    else:
        print(overview().format_help(), end="")


def run_demo(command: str, words: list[str]) -> int:
    """Run the demo of this name with these words, which its own parser reads.

    A name with dashes, such as guided-backprop, is the one with underscores.
    """
    from .techniques import demo_names

    name = command.replace("-", "_")
    if command != "gallery" and name not in demo_names():
        def refuse() -> None:
            from minicnn.errors import unknown_name

            raise unknown_name("command", command, [*PURPOSES, *demo_names()])
        return program.run("minicnn", refuse)
    module = demo(name)
    from .shared.command import run_command

    return run_command(module.run, module.parser(), words)


def demo(name: str) -> ModuleType:
    """Return the module of a demo; of the gallery for "gallery"."""
    return import_module(f".{'__main__' if name == 'gallery' else name}", __package__)


def overview() -> ArgumentParser:
    """Return the parser that `minicnn --help` and the completion describe. The commands have parsers of their own."""
    from .techniques import demo_names

    width = max(map(len, PURPOSES))
    listed = [f"  {name:<{width}}  {purpose}" for name, purpose in PURPOSES.items()]
    epilog = "\n".join(["commands:", *listed, "", "techniques and tools:", *in_lines(demo_names())])
    parser = ArgumentParser(prog="minicnn", description=__doc__, epilog=epilog, usage="minicnn COMMAND …",
                            formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def in_lines(names: Sequence[str], width: int = 100) -> list[str]:
    """Return the names in indented lines of at most `width` characters."""
    lines = ["  "]
    for name in names:
        if len(lines[-1]) + len(name) > width:
            lines.append("  ")
        lines[-1] += name + " "
    return [line.rstrip() for line in lines]


def completion(words: list[str]) -> str:
    """Return the text that completes minicnn's commands, options and files in a shell.

    words : the name of the shell, one of SHELLS. Raises InputError for another one, or if shtab is not installed.
    """
    from minicnn.errors import InputError, one_line

    if len(words) != 1 or words[0] not in SHELLS:
        raise InputError(f"name one shell, of {', '.join(SHELLS)}, not {one_line(' '.join(words), 100) or 'nothing'}")
    try:
        import shtab
    except ImportError:
        raise InputError("the completion is written by shtab; install it with: pip install shtab") from None
    from .shared.converter import convert_parser, fetch_parser, inspect_parser
    from .techniques import demo_names

    parser = overview()
    commands = parser.add_subparsers()
    commands.add_parser("list", help=PURPOSES["list"])
    commands.add_parser("completion", help=PURPOSES["completion"])
    for name in ("gallery", *demo_names()):
        given = demo(name).parser()
        commands.add_parser(name, parents=[given], add_help=False, help=(given.description or "").split(":")[0])
    for name, make in (("convert", convert_parser), ("fetch", fetch_parser), ("inspect", inspect_parser)):
        commands.add_parser(name, parents=[make()], add_help=False, help=PURPOSES[name])
    return str(shtab.complete(parser, words[0]))


if __name__ == "__main__":
    sys.exit(main())
