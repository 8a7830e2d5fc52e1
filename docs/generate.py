"""Write the parts of the documents that are made from the code: `make docs`. A test fails when they are behind."""

import importlib
import pkgutil
from pathlib import Path

from flight_server import option_table, settings_page
from format_plugins import builtin
from format_plugins.contract import FormatPlugin, PluginCapabilities

ROOT = Path(__file__).resolve().parent.parent
#: Formats whose options are those of another one, but for the defaults.
ALIKE = {"tsv": "csv", "json": "ndjson"}


def generated() -> dict[Path, str]:
    """Return what each file that has a generated part should hold."""
    settings = ROOT / "configs" / "README.md"
    formats = ROOT / "format_plugins" / "README.md"
    return {
        ROOT / "configs" / "default.yaml": settings_page.default_yaml(),
        settings: _filled(settings.read_text(), "settings", settings_page.table()),
        ROOT / "README.md": _filled_code(ROOT / "README.md", ROOT / "tests" / "data" / "lines.py"),
        formats: _with_formats(formats.read_text()),
    }


def shipped() -> dict[str, FormatPlugin]:
    """Return the plugins that ship, by name."""
    names = [module.name for module in pkgutil.iter_modules(builtin.__path__)]
    plugins = [importlib.import_module(f"{builtin.__name__}.{name}").create_plugin() for name in names]
    return {plugin.metadata().name: plugin for plugin in plugins}


def _with_formats(text: str) -> str:
    plugins = shipped()
    text = _filled(text, "formats", _formats(plugins))
    for name, plugin in plugins.items():
        like = ALIKE.get(name)
        text = _filled(text, f"options {name}", _options(plugin, like, plugins[like] if like else None))
    return text


def _formats(plugins: dict[str, FormatPlugin]) -> str:
    lines = ["| format | extensions | media type | reading | types |", "|---|---|---|---|---|"]
    for name, plugin in plugins.items():
        told = plugin.metadata()
        extensions = " ".join(f"`{extension}`" for extension in told.extensions)
        cells = [f"[`{name}`](#{name})", extensions, f"`{told.media_types[0]}`", *_manner(told.capabilities)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _manner(can: PluginCapabilities) -> tuple[str, str]:
    reading = "after the last byte" if can.needs_seek else "as it arrives"
    return reading, "from a schema, or inferred" if can.infers_schema else "in the document"


def _options(plugin: FormatPlugin, like: str | None, other: FormatPlugin | None) -> str:
    rows = option_table.options_of(plugin.config_type)
    if other is None:
        return option_table.markdown(rows, called="option")
    theirs = option_table.options_of(other.config_type)
    if [row["name"] for row in rows] != [row["name"] for row in theirs]:
        raise ValueError(f"the options of {plugin.metadata().name} are not those of {like}")
    others = [row for row, same in zip(rows, theirs, strict=True) if row != same]
    if not others:
        return f"The options are those of [`{like}`](#{like}), with the same defaults.\n"
    return f"The options are those of [`{like}`](#{like}), but for:\n\n{option_table.markdown(others, called='option')}"


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
