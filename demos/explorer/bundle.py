"""The page's modules as one plain script: browsers refuse modules of pages that are opened from a file."""

import re
from pathlib import Path

IMPORT = re.compile(r'^import (\{.*\}) from "\./([a-z-]+\.js)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
PREFIX = re.compile(r"^export ", re.MULTILINE)
FIRST = "main.js"
IN_PLACE_OF = {"api.js": "static-api.js"}  # the module that asks a server, and the one that reads recorded answers


def modules_of(folder: Path, in_place_of: dict[str, str] | None = None) -> dict[str, str]:
    """Return {name: text} of the modules in `folder`, each after those that it imports.

    in_place_of : {name: the module that is taken instead}.
    """
    found: dict[str, str] = {}

    def visit(name: str) -> None:
        name = (in_place_of or {}).get(name, name)
        if name in found:
            return
        text = (folder / name).read_text(encoding="utf-8")
        found[name] = ""  # seen
        for _, imported in IMPORT.findall(text):
            visit(imported)
        del found[name]
        found[name] = text
    visit(FIRST)
    return found


def bundle(folder: Path) -> str:
    """Return the modules in `folder` as one script, each module after those that it imports.

    Each becomes a function that returns its exports: modules["x.js"] = (() => {...; return {a, b};})(); an import line
    becomes const {a, b} = modules["x.js"];
    """
    parts: list[str] = []
    for name, text in modules_of(folder, IN_PLACE_OF).items():
        exported = ", ".join(EXPORT.findall(text))
        text = IMPORT.sub(lambda line: f'const {line[1]} = modules["{IN_PLACE_OF.get(line[2], line[2])}"];', text)
        parts.append(f'modules["{name}"] = (() => {{\n{PREFIX.sub("", text)}return {{{exported}}};\n}})();\n')
    return '(() => {\n"use strict";\nconst modules = {};\n' + "\n".join(parts) + "})();\n"
