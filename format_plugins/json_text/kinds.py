"""What kind of type an Arrow type is, where Arrow itself has several types of one kind."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa

# Which class of array or type it is was asked at run time; the stubs would have it declared.
Array: TypeAlias = Any
Type: TypeAlias = Any


def is_text(type_: Type) -> bool:
    """Tell whether ``type_`` is one of Arrow's three types of text."""
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def is_list(type_: Type) -> bool:
    """Tell whether ``type_`` is one of Arrow's five list types."""
    return (
        pa.types.is_list(type_)
        or pa.types.is_large_list(type_)
        or pa.types.is_fixed_size_list(type_)
        or pa.types.is_list_view(type_)
        or pa.types.is_large_list_view(type_)
    )


def is_extension(type_: Type) -> bool:
    """Tell whether ``type_`` is an extension type, which is carried as its storage."""
    return isinstance(type_, pa.BaseExtensionType)
