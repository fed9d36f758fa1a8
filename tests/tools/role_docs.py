# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the tables of the READMEs from their one source: argument specs of roles, documentation of modules."""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.tools.outcomes import ROOT

LONGEST_DEFAULT = 60
Option = Mapping[str, Any]


def spec(role: Path) -> dict[str, Any]:
    """Return the entry points of a role's argument specs."""
    loaded: dict[str, Any] = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    entries: dict[str, Any] = loaded["argument_specs"]
    return entries


def roles(root: Path = ROOT) -> list[Path]:
    """Return the folders of all roles."""
    return sorted(path for path in (root / "roles").iterdir() if path.is_dir())


def flattened(options: Mapping[str, Option], prefix: str = "") -> Iterator[tuple[str, Option]]:
    """Yield every option with its path: ``sites[].names`` is an option of the elements of the list ``sites``."""
    for name, option in options.items():
        yield prefix + name, option
        if "options" in option:
            inner = "[]." if option.get("type") == "list" else "."
            yield from flattened(option["options"], prefix + name + inner)


def markdown(text: str) -> str:
    """Turn Ansible's markup into Markdown that fits a table cell."""
    text = re.sub(r"\b[CIVOEP]\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bB\(([^)]*)\)", r"**\1**", text)
    text = re.sub(r"\bRV?\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bL\(([^,)]*),\s*([^)]*)\)", r"[\1](\2)", text)
    text = re.sub(r"\bU\(([^)]*)\)", r"<\1>", text)
    return " ".join(text.split()).replace("|", "\\|")


def sentences(description: str | list[str]) -> str:
    """Return a description, one paragraph or several, as one line."""
    return markdown(description if isinstance(description, str) else " ".join(description))


def type_of(option: Option) -> str:
    """Return the type as people say it."""
    name = str(option.get("type", "str"))
    return f"list of {option['elements']}" if name == "list" and "elements" in option else name


def default_of(option: Option) -> str:
    """Return the default's cell: a value, "required", or nothing."""
    if option.get("required"):
        return "required"
    if option.get("default") is None:
        return ""
    value = option["default"]
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    if len(text) > LONGEST_DEFAULT:
        return "[defaults](defaults/main.yml)"
    return "`" + text.replace("|", "\\|") + "`"


def option_row(path: str, option: Option) -> str:
    """Return the table's row of one option."""
    choices = option.get("choices")
    listed = f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""
    description = sentences(option["description"]) + listed
    return f"| `{path}` | {type_of(option)} | {default_of(option)} | {description} |"


def options_table(role: Path) -> str:
    """Return the table of a role's options, with a heading per entry point where there are several."""
    entries = spec(role)
    parts = []
    for name, entry in entries.items():
        if len(entries) > 1:
            parts.append(f"### `tasks_from: {name}`\n" if name != "main" else "### Role\n")
        rows = [option_row(path, option) for path, option in flattened(entry.get("options", {}))]
        if rows:
            parts.append(
                "\n".join(["| Option | Type | Default | Description |", "| --- | --- | --- | --- |", *rows, ""])
            )
        else:
            parts.append("No options.\n")
    return "\n".join(parts)


def roles_table(root: Path = ROOT) -> str:
    """Return the table of all roles."""
    rows = [
        f"| [{role.name}](roles/{role.name}/README.md) | {sentences(spec(role)['main']['short_description'])} |"
        for role in roles(root)
    ]
    return "\n".join(["| Role | What it does |", "| --- | --- |", *rows, ""])


def module_documentation(path: Path) -> dict[str, Any]:
    """Return a module's DOCUMENTATION block without importing the module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if "DOCUMENTATION" in names and isinstance(node, ast.Assign):
            loaded: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return loaded
    raise ValueError(f"{path}: no DOCUMENTATION")


def modules(root: Path = ROOT) -> list[Path]:
    """Return the files of all modules."""
    return sorted(path for path in (root / "plugins" / "modules").glob("*.py") if not path.name.startswith("_"))


def modules_table(root: Path = ROOT) -> str:
    """Return the table of all modules."""
    rows = [
        f"| `keelson.ops.{path.stem}` | {sentences(module_documentation(path)['short_description'])} |"
        for path in modules(root)
    ]
    return "\n".join(["| Module | What it does |", "| --- | --- |", *rows, ""])


def filled(text: str, marker: str, table: str) -> str:
    """Return a README with the part between its two markers replaced. Raises ValueError when they are missing."""
    before, opening, rest = text.partition(f"<!-- {marker} -->\n")
    _old, closing, after = rest.partition(f"<!-- /{marker} -->")
    if not opening or not closing:
        raise ValueError(f"the lines <!-- {marker} --> and <!-- /{marker} --> are missing")
    return f"{before}{opening}\n{table}\n{closing}{after}"


def role_readme(role: Path) -> str:
    """Return the text that a role's README should have."""
    return filled((role / "README.md").read_text(encoding="utf-8"), "options", options_table(role))


def top_readme(root: Path = ROOT) -> str:
    """Return the text that the collection's README should have."""
    text = filled((root / "README.md").read_text(encoding="utf-8"), "roles", roles_table(root))
    return filled(text, "modules", modules_table(root))


def main() -> int:
    """Write the tables, or with --check say which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is out of date")
    check = parser.parse_args().check
    documents: list[tuple[Path, Callable[[], str]]] = [(ROOT / "README.md", top_readme)]
    documents += [(role / "README.md", partial(role_readme, role)) for role in roles()]
    bad = 0
    for path, current in documents:
        name = path.relative_to(ROOT)
        try:
            text = current()
        except (OSError, ValueError) as error:
            bad += 1
            print(f"{name}: {error}")
            continue
        if path.read_text(encoding="utf-8") != text:
            bad += check
            print(f"{name}: {'out of date (make docs)' if check else 'written'}")
            if not check:
                path.write_text(text, encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
