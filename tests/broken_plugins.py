"""Plugins that each break one rule of the conformance kit: the example `frames` with an edit or two. No test is in here."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from format_plugins.conformance import Declaration, How, Loss

SOURCE = (Path(__file__).parent / "data" / "frames.py").read_text()
LOSSES = (Loss("dictionary of dictionary", How.REFUSED),)

# Lines of the example that edits go by.
IMPORT = "import pyarrow as pa\n"
BEGIN_READING = "        message = self.frame(stream)\n"
READER = "        return pa.RecordBatchReader.from_batches(found, self.batches(found, stream))\n"
READ = "                yield batch\n"
READING = "        while message := self.frame(stream):\n"
REST = "        if stream.read(1):\n"
HEAD = "        head = stream.read(HEAD.size)\n"
BEGIN_WRITING = "        schema = batches.schema\n"
WRITING = "        for batch in batches:\n"
WRITTEN = "            yield self.framed(self.message(batch))\n"
END = '        yield self.framed(b"")\n'
METADATA = "metadata=lambda: metadata"
CREATE = "create_format=lambda options: options"


@dataclass(frozen=True)
class Broken:
    """The check meant for a plugin, what is said of it, and the plugin."""

    check: str
    says: str
    edits: tuple[tuple[str, str], ...]
    losses: tuple[Loss, ...] = LOSSES
    more: tuple[tuple[str, object], ...] = ()

    @property
    def declaration(self):
        return Declaration(losses=self.losses, memory_bytes=24 << 20, **dict(self.more))

    @property
    def source(self):
        source = SOURCE
        for old, new in self.edits:
            assert old in source, old
            source = source.replace(old, new)
        return source


def broken(check, says, *edits, losses=LOSSES, **more):
    return Broken(check, says, edits, losses, tuple(more.items()))


def before(line, *code):
    """Code in front of a line, indented like it."""
    indent = line[: len(line) - len(line.lstrip())]
    return line, "".join(f"{indent}{each}\n" for each in code) + line


def after(line, *code):
    indent = line[: len(line) - len(line.lstrip())]
    return line, line + "".join(f"{indent}{each}\n" for each in code)


def instead(line, *code):
    indent = line[: len(line) - len(line.lstrip())]
    return line, "".join(f"{indent}{each}\n" for each in code)


def odd(line, kind, column):
    """Another column in the place of the one that a sample is in, where that is of a type."""
    is_odd = f'batch.schema.names == ["fine", "odd"] and batch["odd"].type == {kind}'
    return before(line, f"if {is_odd}:", f"    batch = batch.set_column(1, batch.schema.field(1), {column})")


STREAM = "from format_plugins.streams import ByteStream"
MODULE = "import sys; from types import ModuleType; sys.modules['shim'] = ModuleType('shim')"
NEXT_VERSION = 'fresh = lambda: PluginMetadata(name="frames", version=f"1.0.{next(NUMBERS)}")'
RANDOM = 'schema = schema.with_metadata({**(schema.metadata or {}), "id": os.urandom(8)})'
BUFFERS = 'pa.Array.from_buffers(pa.int8(), len(batch), batch["odd"].buffers())'
NA_IS_NULL = 'pa.array([None if schema is None and text == "NA" else text for text in batch["odd"].to_pylist()])'

OF_ITSELF = (
    broken("it_can_be_loaded", "has no attribute 'create_plugin'", ("def create_plugin", "def make_plugin")),
    broken(
        "metadata_is_valid_constant_and_cheap",
        "not the same each time",
        after(IMPORT, "import itertools", "NUMBERS = itertools.count()"),
        before("    return SimpleNamespace", NEXT_VERSION),
        (METADATA, "metadata=fresh"),
    ),
    broken("metadata_is_valid_constant_and_cheap", "no semantic version", ('"1.0.0"', '"1.0"')),
    broken(
        "options_are_strict_and_have_defaults",
        "The default of the option 'max_bytes' is not of its type",
        ("option(1 << 28", 'option("256 MiB"'),
        ("min(length, self.max_bytes)", "length"),
    ),
    broken("options_are_strict_and_have_defaults", "no frozen dataclass", ("@dataclass(frozen=True)", "@dataclass")),
    broken(
        "making_a_codec_touches_nothing",
        "create_format() touches the outside: open('/dev/null'",
        (CREATE, 'create_format=lambda options: open("/dev/null").close() or options'),
    ),
    broken("loading_it_changes_nothing_else", "prints 'hello", after(IMPORT, "print('hello')")),
    broken("loading_it_changes_nothing_else", "the environment", after(IMPORT, "import os; os.environ['FRAMES'] = '1'")),
    broken("loading_it_changes_nothing_else", "puts 'shim' into sys.modules", after(IMPORT, MODULE)),
    broken(
        "loading_it_changes_nothing_else",
        "leaves behind a handler of the root logger",
        after(IMPORT, "import logging; logging.getLogger().addHandler(logging.NullHandler())"),
    ),
    broken(
        "a_hundred_loads_leave_nothing_behind",
        "that were let go of, 1 are still there",
        ("    metadata = ", "    import codecs; codecs.register_error('frames', create_plugin)\n    metadata = "),
    ),
)

READS = (
    broken(
        "the_example_comes_back",
        "99 rows instead of 100",
        before(READ, "if batch.num_rows == 100 and schema.names[0] == 'number':", "    batch = batch.slice(1)"),
    ),
    broken(
        "it_has_a_schema_that_never_changes",
        "the schema changes from (number: int64",
        instead(READER, "return self.batches(found, stream)"),
        after(READ, "if batch.num_rows == 10_000:", "    yield pa.record_batch({'new': [1]})"),
    ),
    broken(
        "it_has_a_schema_that_never_changes",
        "yields no record batch, so there is no schema",
        instead(READER, "return self.batches(found, stream)"),
    ),
    broken(
        "every_batch_is_valid",
        "is not valid Arrow data",
        odd(READ, "pa.date64()", "pa.array([1] * len(batch), pa.int64()).view(pa.date64())"),
    ),
    broken(
        "it_is_read_to_its_end", "4 bytes are left unread", after(END, 'yield b"more"'), instead(REST, "if stream is None:")
    ),
    broken(
        "where_chunks_end_changes_nothing",
        "is read differently when it comes in chunks of 1,048,583 bytes",
        after(IMPORT, STREAM),
        before(BEGIN_READING, "stream = ByteStream(chunk for chunk in stream if chunk.size != (1 << 20) + 7)"),
    ),
    broken(
        "a_wanted_schema_is_met_or_refused",
        "raises KeyError",
        before(READER, "if schema is not None and schema.names != found.names:", "    raise KeyError(schema.names)"),
    ),
    broken(
        "what_is_inferred_keeps_every_row_and_null",
        "Without a schema 1 values of string lookalikes are null instead of 0",
        ("PluginCapabilities()", "PluginCapabilities(infers_schema=True)"),
        after(IMPORT, "from format_plugins.fitting import fit"),
        instead(
            READER,
            "reader = pa.RecordBatchReader.from_batches(found, self.batches(schema, stream))",
            "return reader if schema is None else fit(reader, schema)",
        ),
        odd(READ, "pa.string()", NA_IS_NULL),
    ),
    broken(
        "reading_begins_before_the_end",
        "bytes of a document are read before its first rows are out",
        after(IMPORT, STREAM),
        before(BEGIN_READING, "stream = ByteStream([stream.read()])"),
    ),
    broken(
        "reading_takes_bounded_memory",
        "MiB of rows takes",
        before(READING, "kept = []"),
        before(READ, "kept.append(batch)"),
    ),
)

HOSTILE = (
    broken(
        "empty_input_is_a_table_or_wrong_data",
        "Reading an empty document, the plugin raises EOFError",
        before(BEGIN_READING, 'if stream.peek(1) == b"":', "    raise EOFError"),
    ),
    broken(
        "zero_rows_make_a_whole_document",
        "The document of no record batches is refused when it is read",
        before(WRITING, "rows = 0"),
        before(WRITTEN, "rows += batch.num_rows"),
        before(END, "if not rows:", "    return"),
    ),
    broken("a_document_cut_short_is_noticed", "is read as if it were whole", after(HEAD, "if not head:", '    return b""')),
    broken(
        "garbage_is_wrong_data_or_data",
        "Reading a web page, the plugin raises ValueError: no markup",
        after(HEAD, 'if head[:1] == b"<":', '    raise ValueError("no markup")'),
    ),
    broken(
        "damaged_documents_are_wrong_data_or_data",
        "the plugin raises ValueError: a frame is damaged",
        ('FormatError("a frame is damaged")', 'ValueError("a frame is damaged")'),
    ),
    broken(
        "a_reader_that_is_dropped_frees_its_source",
        "A reader that was dropped still holds its source",
        after(IMPORT, "KEPT = []"),
        before(BEGIN_READING, "KEPT.append(stream)"),
    ),
    broken(
        "a_reader_that_is_dropped_frees_its_source",
        "A reader that was dropped leaves behind open files: 1",
        after(IMPORT, "import os"),
        before(BEGIN_READING, "if len(stream.peek(1 << 20)) == 1 << 20:", '    os.open("/dev/null", 0)'),
    ),
    broken(
        "a_writer_that_is_dropped_frees_its_rows",
        "A writer that was dropped still holds its source",
        after(IMPORT, "KEPT = []"),
        after(BEGIN_WRITING, "KEPT.append(batches)"),
    ),
    broken(
        "a_failing_source_is_heard_of",
        "is told as something else: FormatError: the end is missing",
        instead(HEAD, "try:", f"    {HEAD.strip()}", "except ConnectionResetError:", '    head = b""'),
    ),
    broken(
        "a_failing_source_is_heard_of",
        "is taken for one that ends there",
        instead(REST, "try:", "    more = stream.read(1)", "except OSError:", '    more = b""', "if more:"),
    ),
    broken(
        "a_failing_supply_of_rows_is_heard_of",
        "is taken for one that ends there",
        instead(WRITING, "while (batch := self.next(batches)) is not None:"),
        before(
            "    def message(self, batch):\n",
            "def next(self, batches):",
            "    try:",
            "        return next(batches, None)",
            "    except Exception:",
            "        return None",
        ),
    ),
    broken(
        "streams_side_by_side_do_not_meet",
        "Streams that take turns give other rows than one alone",
        after(IMPORT, "PENDING = []"),
        after(BEGIN_WRITING, "PENDING.clear()"),
        instead(WRITTEN, "PENDING.append(self.framed(self.message(batch)))", "yield b''.join(PENDING)", "PENDING.clear()"),
    ),
)

WRITES = (
    broken(
        "every_type_comes_back_or_is_a_declared_loss",
        "Dictionary of dictionary is refused with UnsupportedError",
        losses=(),
    ),
    broken(
        "every_type_comes_back_or_is_a_declared_loss",
        "row 3 of the column 'odd' is '' instead of None, which is not declared",
        odd(WRITTEN, "pa.large_string()", 'batch["odd"].fill_null("")'),
    ),
    broken(
        "every_declared_loss_occurs",
        "Bool comes back as it was, and is declared as a loss",
        losses=(*LOSSES, Loss("bool", "int8")),
    ),
    broken(
        "every_declared_loss_occurs",
        "is noticed, and declared as if it were not",
        losses=(*LOSSES, Loss("truncation", How.UNDETECTED)),
    ),
    broken("every_declared_loss_occurs", "no sample is called so", losses=(*LOSSES, Loss("booleans", How.REFUSED))),
    broken("what_is_refused_is_named", "without a word that it is the column 'odd'", (", column=field.name)", ")")),
    broken(
        "another_schema_is_refused",
        "A table of other columns is written.",
        losses=(),
        example=pa.table({"number": [1, 2], "text": ["a", "b"]}),
        fixed_schema=True,
    ),
    broken("slices_are_written_as_their_rows", "A slice of int8 is not written", odd(WRITTEN, "pa.int8()", BUFFERS)),
    broken(
        "the_same_rows_give_the_same_bytes",
        "written twice, differ from byte",
        after(IMPORT, "import os"),
        after(BEGIN_WRITING, RANDOM),
    ),
    broken(
        "how_rows_are_batched_changes_nothing",
        "Rows that are written with empty batches come back differently",
        before(WRITING, "empty = False"),
        before(WRITTEN, "batch, empty = batch.slice(1) if empty else batch, not batch.num_rows"),
    ),
    broken("output_is_lazy", "All of 96 record batches of", instead(WRITING, "for batch in list(batches):")),
    broken(
        "writing_takes_bounded_memory",
        "MiB of rows takes",
        before(WRITING, "kept = []"),
        before(WRITTEN, "kept.append(batch)"),
    ),
)

BROKEN = (*OF_ITSELF, *READS, *HOSTILE, *WRITES)
