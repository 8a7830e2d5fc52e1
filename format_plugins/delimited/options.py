"""The options of delimited text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal

from format_plugins.options import option
from format_plugins.type_names import parse_type

#: The most bytes that a block, a sample or a record may be set to: each is held in memory.
MAX_HELD_BYTES = 1 << 30
#: Encodings that are no character sets: their decoders take time that grows with the square of the length.
_NO_CHARACTER_SETS = frozenset({"idna", "punycode"})
#: The most null, true or false texts, and their longest: pyarrow's parser kills the process for very many.
_MAX_TEXTS = 100

_DIRECTIVES = "%Y %y %m %d %e %j %b %B %a %A %H %I %M %S %p %z %T %D %F %R"
_DIRECTIVE = "%[" + "".join(_DIRECTIVES.replace("%", "").split()) + "]"
_TIMESTAMP_FORMAT = re.compile(rf"(?=.*{_DIRECTIVE})(?:[^%\0]|{_DIRECTIVE}|%%){{1,200}}", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedOptions:
    """How a document is laid out, what its values mean, and how much of it is held at a time.

    Row numbers in errors count records from 1; the header is not counted. Raises ``ValueError`` for combinations
    that cannot be meant.
    """

    delimiter: str = option(",", "the character between two values")
    quote: str | None = option('"', "the character around a value that holds special ones; null: quoting is off")
    double_quote: bool = option(True, "two quotes inside a quoted value stand for one")
    escape: str | None = option(None, "the character that takes the special meaning from the next one; null: none")
    header: bool = option(True, "the first record holds the names of the columns, when reading and when writing")
    column_names: tuple[str, ...] | None = option(None, "names of the columns when reading, in place of the header's")
    columns: tuple[str, ...] | None = option(None, "names of the columns to read, in the order wanted; null: all")
    column_types: dict[str, str] = option(
        {}, 'types by column, such as {"price": "decimal128(18, 4)"}, when no schema is given; the others are inferred'
    )
    extra_columns: Literal["error", "ignore"] = option("error", "what to do with columns that the given schema does not have")
    null_values: tuple[str, ...] = option(("",), "texts that stand for null; case matters")
    quoted_nulls: bool = option(False, "a quoted text may stand for null, too")
    null_text: str | None = option(None, "what is written for null; left out: the first of null_values")
    true_values: tuple[str, ...] = option(("true", "True", "TRUE"), "texts that mean true; the first one is written")
    false_values: tuple[str, ...] = option(("false", "False", "FALSE"), "texts that mean false; the first one is written")
    decimal_point: Literal[".", ","] = option(".", "the character before the fraction of a number")
    timestamp_formats: tuple[str, ...] = option((), "strptime formats of timestamps to read; ISO 8601 is always understood")
    encoding: str = option("utf-8", "the character set of the document: utf-8, utf-16, latin-1 or another one")
    quoting: Literal["needed", "all", "none"] = option("needed", "which values are quoted when writing; nulls never are")
    line_ending: Literal["lf", "crlf"] = option("lf", "the end of a record when writing; all of LF, CRLF and CR are read")
    batch_rows: int = option(65536, "the most rows of a record batch that is read", unit="rows")
    block_bytes: int = option(1 << 20, "how much text is decoded at a time", unit="bytes")
    sample_bytes: int = option(1 << 20, "how much text types are inferred from", unit="bytes")
    sample_rows: int = option(10_000, "how many of the sample's rows types are inferred from", unit="rows")
    max_record_bytes: int = option(16 << 20, "the longest record that is accepted", unit="bytes")
    max_columns: int = option(16384, "the most columns that are accepted", unit="columns")

    def __post_init__(self) -> None:
        _check_characters(self)
        _check_encoding(self.encoding)
        _check_names(self)
        _check_bounds(self)
        _check_texts(self)
        _check_formats(self.timestamp_formats)
        for column, text in self.column_types.items():
            try:
                parse_type(text)
            except ValueError as error:
                raise ValueError(f"column_types.{column}: {error}") from None

    @property
    def written_null(self) -> str:
        """The text that is written for null."""
        if self.null_text is not None:
            return self.null_text
        return self.null_values[0] if self.null_values else ""


def _check_characters(options: DelimitedOptions) -> None:
    characters = {"delimiter": options.delimiter, "decimal_point": options.decimal_point}
    if options.decimal_point not in {".", ","}:
        raise ValueError(f"decimal_point must be a point or a comma, not {options.decimal_point!r:.40}")
    characters |= {key: value for key, value in (("quote", options.quote), ("escape", options.escape)) if value is not None}
    for key, value in characters.items():
        if len(value) != 1 or not value.isascii() or value in "\r\n\0":
            raise ValueError(f"{key} must be one ASCII character other than a line end or NUL, not {value!r:.40}")
    seen: dict[str, str] = {}
    for key, value in characters.items():
        if value in seen:
            raise ValueError(f"{key} and {seen[value]} are both {value!r}: they must differ")
        seen[value] = key


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)  # fails for codecs that are not text encodings, such as hex
        name = codecs.lookup(encoding).name
    except (LookupError, UnicodeError, ValueError):
        raise ValueError(f"encoding {encoding!r:.40} is unknown") from None
    if name in _NO_CHARACTER_SETS:
        raise ValueError(f"encoding {encoding!r} is not a character set")


def _check_names(options: DelimitedOptions) -> None:
    for key, names in (("column_names", options.column_names), ("columns", options.columns)):
        if names is None:
            continue
        _check_unicode(key, names)
        if not names:
            raise ValueError(f"{key} is empty: name at least one column, or leave it out")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{key} names {twice!r:.80} twice")


def _check_unicode(key: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{key}: {text!r:.80} cannot be written in UTF-8") from None


def _check_bounds(options: DelimitedOptions) -> None:
    for key in ("batch_rows", "block_bytes", "sample_bytes", "sample_rows", "max_record_bytes", "max_columns"):
        value = getattr(options, key)
        most = MAX_HELD_BYTES if key.endswith("_bytes") else 1 << 31
        if not 1 <= value <= most:
            raise ValueError(f"{key} must be from 1 to {most}, not {value}")


def _check_texts(options: DelimitedOptions) -> None:
    for key in ("null_values", "true_values", "false_values"):
        texts = getattr(options, key)
        if len(texts) > _MAX_TEXTS or any(len(text) > _MAX_TEXTS for text in texts):
            raise ValueError(f"{key} may hold {_MAX_TEXTS} texts of {_MAX_TEXTS} characters")
        _check_unicode(key, texts)
    both = set(options.true_values) & set(options.false_values)
    if both:
        raise ValueError(f"{min(both)!r:.40} is in true_values and in false_values")
    if not options.true_values or not options.false_values:
        raise ValueError("true_values and false_values need at least one text each")
    special = {options.delimiter, options.quote, options.escape, "\r", "\n"}
    _check_unicode("null_text", (options.written_null,))
    texts = {"null_text": options.written_null, "true_values": options.true_values[0], "false_values": options.false_values[0]}
    for key, text in texts.items():
        if special.intersection(text):
            raise ValueError(f"{key}: {text!r:.40} is written as it is and may hold no delimiter, quote, escape or line end")
        if key != "null_text" and (text in options.null_values or text == options.written_null):
            raise ValueError(f"{key}: {text!r:.40} is a null value, too")
    if options.quoting == "all" and options.quote is None:
        raise ValueError('quoting is "all", but quote is null')


def _check_formats(formats: tuple[str, ...]) -> None:
    # pyarrow kills the process for an empty format; what it does not know, the C library may take for anything.
    for each in formats:
        if not _TIMESTAMP_FORMAT.fullmatch(each):
            raise ValueError(f"timestamp_formats: {each!r:.80} is not made of texts and {_DIRECTIVES}")
