"""Write the parts of the documents that are made from the code: `make docs`. A test fails when they are behind."""

from pathlib import Path

from flight_server import settings_page

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Return what each file that has a generated part should hold."""
    settings = ROOT / "configs" / "README.md"
    return {
        ROOT / "configs" / "default.yaml": settings_page.default_yaml(),
        settings: _filled(settings.read_text(), "settings", settings_page.table()),
        ROOT / "README.md": _filled_code(ROOT / "README.md", ROOT / "tests" / "data" / "lines.py"),
    }


def _filled(text: str, name: str, content: str) -> str:
    """Put ``content`` between the marks of the part ``name``."""
    head, begin, rest = text.partition(f"<!-- generated: {name} -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    if not begin or not end:
        raise ValueError(f"the marks of {name!r} are missing")
    return head + begin + content + end + tail


def _filled_code(page: Path, source: Path) -> str:
    mark = f"<!-- same as: {source.relative_to(ROOT)} -->\n```python\n"
    head, begin, rest = page.read_text().partition(mark)
    if not begin:
        raise ValueError(f"the mark of {source.name} is missing in {page.name}")
    _, end, tail = rest.partition("```\n")
    return head + begin + source.read_text() + end + tail


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
