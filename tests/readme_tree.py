"""The README's list of files, made from the first line of each: `python tests/readme_tree.py` writes it into the README."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- files: made by `make readme` -->", "<!-- end of files -->"

# What the files say that cannot say it themselves; a folder stands for all that is in it.
OTHERS = {
    ".ci/": "what must hold for a change to land",
    ".gitignore": "what git leaves alone",
    ".streamlit/": "the page's theme, and that it listens on this machine only",
    "CHANGELOG.md": "what changed, for people",
    "CONTRIBUTING.md": "how to work on the project",
    "LICENSE": "Apache-2.0",
    "Makefile": "install, run, test, lint, fix, screenshots, evaluate",
    "README.md": "this page",
    "constraints.txt": "the exact versions that are installed",
    "docs/": "pictures for this page",
    "studio/ui/locale/": "the pages' words in other languages",
    "pipelines/presets/tiny/": "the embedded preset: its model card, config and weights",
    "pipelines/presets/": "a config for each preset of published parts",
    "pyproject.toml": "the package, its dependencies, and the settings of the tools",
    "tests/golden/": "recorded inputs and outputs of the originals, and ours beside them",
    "studio/ui/icon.svg": "the page's icon",
    "studio/ui/map.css": "the style of the library's map",
    "studio/ui/map.html": "the elements of the library's map",
    "studio/ui/map.js": "the library's map in the browser: drawn, wandered in, opened from",
    "studio/ui/slider.css": "the style of two pictures to compare",
    "studio/ui/slider.html": "the elements of two pictures to compare",
    "studio/ui/slider.js": "two pictures to compare in the browser",
    "studio/ui/style.css": "the page's own style",
    "training/world/icons/": "the things of the world, drawn for this project",
    "training/world/judge/": "the judge's weights and accuracy",
}


def tracked() -> list[str]:
    """Return the files that git tracks, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted({name for name in names if name and (ROOT / name).is_file()})


def tree() -> str:
    """Return the list as Markdown: one line a file or closed folder, under a heading for each open folder."""
    lines: dict[str, list[str]] = {}
    for name in tracked():
        closed = next((folder for folder in OTHERS if folder.endswith("/") and name.startswith(folder)), None)
        shown = closed or name
        folder = str(Path(shown).parent)
        label = shown if folder == "." else Path(shown).name + ("/" if closed else "")
        line = f"- `{label}` {OTHERS.get(shown) or _first_line(name)}"
        if _says_nothing(name) and not closed:
            continue
        if line not in lines.setdefault(folder, []):
            lines[folder].append(line)
    parts = []
    for folder in sorted(lines, key=lambda folder: (folder != ".", folder)):
        heading = "" if folder == "." else f"**{folder}/**\n\n"
        parts.append(heading + "\n".join(lines[folder]))
    return "\n\n".join(parts)


def _says_nothing(name: str) -> bool:
    return Path(name).name in ("__init__.py", "py.typed") and not (ROOT / name).read_text().strip()


def _first_line(name: str) -> str:
    if not name.endswith(".py"):
        raise ValueError(f"{name} has no line in the README's list: add one to OTHERS in tests/readme_tree.py.")
    if _says_nothing(name):
        return ""
    docstring = ast.get_docstring(ast.parse((ROOT / name).read_text()))
    if docstring is None:
        raise ValueError(f"{name} has no docstring: its first line says what is in the file.")
    line = docstring.split("\n")[0].strip().removesuffix(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line


def write() -> None:
    """Put the list into the README, between its marks."""
    text = (ROOT / "README.md").read_text()
    before, rest = text.split(START)
    after = rest.split(END)[1]
    (ROOT / "README.md").write_text(f"{before}{START}\n\n{tree()}\n\n{END}{after}")


if __name__ == "__main__":
    write()
