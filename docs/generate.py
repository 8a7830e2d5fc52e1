"""Write the parts of the documents that are made from the code: `make docs`. A test fails when they are behind."""

import importlib
import pkgutil
from pathlib import Path

from pyarrow import flight
from structlog.testing import capture_logs

from flight_client import errors as client_errors
from flight_client.commands.failures import failure_of
from flight_server import boundary, errors, option_table, settings_page
from format_plugins import builtin
from format_plugins.contract import FormatPlugin, PluginCapabilities

ROOT = Path(__file__).resolve().parent.parent
#: Formats whose options are those of another one, but for the defaults.
ALIKE = {"tsv": "csv", "json": "ndjson"}
#: What pyarrow's server makes of its errors on the wire, by gRPC's names.
GRPC = {
    flight.FlightServerError: "UNKNOWN",
    flight.FlightUnauthenticatedError: "UNAUTHENTICATED",
    flight.FlightUnauthorizedError: "PERMISSION_DENIED",
    flight.FlightUnavailableError: "UNAVAILABLE",
    flight.FlightTimedOutError: "DEADLINE_EXCEEDED",
    flight.FlightInternalError: "INTERNAL",
}


def generated() -> dict[Path, str]:
    """Return what each file that has a generated part should hold."""
    settings = ROOT / "configs" / "README.md"
    formats = ROOT / "format_plugins" / "README.md"
    reference = ROOT / "docs" / "errors.md"
    return {
        ROOT / "configs" / "default.yaml": settings_page.default_yaml(),
        settings: _filled(settings.read_text(), "settings", settings_page.table()),
        ROOT / "README.md": _filled_code(ROOT / "README.md", ROOT / "tests" / "data" / "lines.py"),
        formats: _with_formats(formats.read_text()),
        reference: _with_codes(reference.read_text()),
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


def _with_codes(text: str) -> str:
    """Fill the tables of error codes: the server's, in the order of its tree, and those that only the client has."""
    ours = {kind.code: kind for kind in _leaves(client_errors.FlightClientError)}
    sent = [(kind.code, *_told(ours.pop(kind.code)), _grpc(kind)) for kind in _leaves(errors.ServerError)]
    own = [(code, *_told(kind)) for code, kind in ours.items()] + [("unknown", *_told(client_errors.FlightClientError))]
    columns = ("code", "blame", "again", "`flight_client.errors`", "`flight-client` ends with")
    text = _filled(text, "codes", _table([*columns, "gRPC status"], sent))
    return _filled(text, "client codes", _table(list(columns), own))


def _told(kind: type[client_errors.FlightClientError]) -> tuple[str, ...]:
    failure = failure_of(kind(""))
    again = "yes" if kind.retryable else "no"
    return kind.blame or "unknown", again, f"`{kind.__name__}`", str(failure.exit_code if failure else 1)


def _grpc(kind: type[errors.ServerError]) -> str:
    with capture_logs():
        return GRPC[type(boundary.to_flight(kind(""), "docs"))]


def _leaves(kind: type) -> list[type]:
    inner = kind.__subclasses__()
    return [leaf for child in inner for leaf in _leaves(child)] if inner else [kind]


def _table(columns: list[str], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| [`{row[0]}`](#{row[0]}) | {' | '.join(row[1:])} |" for row in rows]
    return "\n".join(lines) + "\n"


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
