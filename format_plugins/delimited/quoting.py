"""Quoting texts, so that what reads them finds the same texts again, and never takes one for null."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from format_plugins.contract import UnsupportedError
from format_plugins.delimited.options import DelimitedOptions

#: An array of strings.
Strings: TypeAlias = Any

#: A byte order mark at the start of a document would be taken for one.
_MARK = "\ufeff"
#: The characters that numbers, bools, dates and times are written with.
_PLAIN_CHARACTERS = frozenset("0123456789+-.: TZeEinfa")


class Quoter:
    """Quotes or escapes texts as the options say."""

    def __init__(self, options: DelimitedOptions) -> None:
        self._quote = options.quote if options.quoting != "none" else None
        self._all = options.quoting == "all"
        self._escape = options.escape
        self._double = options.double_quote
        specials = [options.delimiter, "\r", "\n", *filter(None, (options.quote, options.escape))]
        self._special_bytes = [special.encode() for special in specials]
        self._specials = "[" + _literal("".join([*specials, _MARK])) + "]"
        nulls = {options.written_null, *options.null_values}
        self._is_null_text = "^(?:" + "|".join(map(_literal, sorted(nulls))) + ")$"
        self._null_texts = pa.array(sorted(nulls), pa.string())
        self._longest_null = max(len(text.encode()) for text in nulls)
        self._needed = f"{self._specials}|{self._is_null_text}"
        special_numbers = _PLAIN_CHARACTERS.intersection(specials) or any(
            _PLAIN_CHARACTERS.issuperset(text) for text in nulls if text
        )
        #: Numbers, dates and the like need no look: nothing in them is special.
        self.numbers_are_safe = not self._all and not special_numbers

    def quoted(self, name: str, texts: Strings) -> Strings:
        """Return ``texts`` of the column ``name``, quoted where needed; nulls stay null.

        Raises ``UnsupportedError`` when one needs a quote, and quoting is off.
        """
        if self._all:
            return self._wrapped(name, texts)
        # A look at each text alone takes many times longer than one at all of them.
        if self._any_special(texts):
            needed = pc.match_substring_regex(texts, self._needed)
        elif self._all_longer(texts):
            return texts
        else:
            needed = pc.is_in(texts, self._null_texts)
        if not pc.any(needed).as_py():
            return texts
        if self._quote is not None:
            return pc.if_else(needed, self._wrapped(name, texts), texts)
        return self._escaped(name, texts)

    def _all_longer(self, texts: Strings) -> bool:
        """Tell whether each text is longer than any that stands for null."""
        lengths: Any = pc.binary_length(texts)
        shortest = pc.min(lengths).as_py()
        return shortest is None or shortest > self._longest_null

    def _any_special(self, texts: Strings) -> bool:
        _, offsets, data = texts.buffers()
        if data is None:
            return False
        ends = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, offsets], offset=texts.offset)
        start, stop = ends[0].as_py(), ends[len(texts)].as_py()
        together = data.slice(start, stop - start).to_pybytes()
        if any(special in together for special in self._special_bytes):
            return True
        # To look for more than a byte takes many times longer: only where there is something to be found.
        return not together.isascii() and _MARK.encode() in together

    def _wrapped(self, name: str, texts: Strings) -> Strings:
        assert self._quote is not None  # noqa: S101 - asked for only when there is one
        if self._escape is not None:
            texts = pc.replace_substring(texts, self._escape, self._escape * 2)
        if self._double:
            texts = pc.replace_substring(texts, self._quote, self._quote * 2)
        elif self._escape is not None:
            texts = pc.replace_substring(texts, self._quote, self._escape + self._quote)
        else:
            _refuse(name, texts, pc.match_substring(texts, self._quote))
        quote = pa.scalar(self._quote)
        return pc.binary_join_element_wise(quote, texts, quote, "")

    def _escaped(self, name: str, texts: Strings) -> Strings:
        _refuse(name, texts, pc.match_substring_regex(texts, self._is_null_text if self._escape else self._needed))
        if self._escape is None:
            return texts
        # In RE2's replacement text a backslash is written twice.
        escape = self._escape.replace("\\", r"\\")
        return pc.replace_substring_regex(texts, f"({self._specials})", escape + r"\1")


def _refuse(name: str, texts: Strings, bad: Strings) -> None:
    if not pc.any(bad).as_py():
        return
    value = texts.filter(bad)[0].as_py()
    raise UnsupportedError(
        f"column {name!r:.80}: {value!r:.80} cannot be written so that it is read back; "
        "it needs quoting, with double_quote or an escape",
        column=name,
        value=value,
        option="quoting",
    )


def _literal(text: str) -> str:
    """Return a pattern that matches ``text`` and nothing else, also inside brackets."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in text)
