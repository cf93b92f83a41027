"""The page's modules as one plain script: browsers refuse modules of pages that are opened from a file."""

import re
from pathlib import Path

IMPORT = re.compile(r'^import (\{.*\}) from "\./([a-z-]+\.js)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
PREFIX = re.compile(r"^export ", re.MULTILINE)
FIRST = "main.js"
IN_PLACE_OF = {"api.js": "static-api.js"}  # the module that asks a server, and the one that reads recorded answers


def bundle(folder: Path) -> str:
    """Return the modules in `folder` as one script, each module after those that it imports.

    Each becomes a function that returns its exports: modules["x.js"] = (() => {...; return {a, b};})(); an import line
    becomes const {a, b} = modules["x.js"];
    """
    parts: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        name = IN_PLACE_OF.get(name, name)
        if name in seen:
            return
        seen.add(name)
        text = (folder / name).read_text(encoding="utf-8")
        for _, imported in IMPORT.findall(text):
            visit(imported)
        exported = ", ".join(EXPORT.findall(text))
        text = IMPORT.sub(lambda line: f'const {line[1]} = modules["{IN_PLACE_OF.get(line[2], line[2])}"];', text)
        parts.append(f'modules["{name}"] = (() => {{\n{PREFIX.sub("", text)}return {{{exported}}};\n}})();\n')
    visit(FIRST)
    return '(() => {\n"use strict";\nconst modules = {};\n' + "\n".join(parts) + "})();\n"
