"""What kind of type an Arrow type is, where Arrow has several types of one kind, and what types lie inside it."""

from __future__ import annotations

from collections.abc import Callable
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
    return pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_) or is_list_view(type_)


def is_list_view(type_: Type) -> bool:
    """Tell whether ``type_`` is one of Arrow's two types of list views."""
    return pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_)


def is_text_view(type_: Type) -> bool:
    """Tell whether ``type_`` is one of views of text or bytes."""
    return pa.types.is_string_view(type_) or pa.types.is_binary_view(type_)


def is_extension(type_: Type) -> bool:
    """Tell whether ``type_`` is an extension type, which is carried as its storage."""
    return isinstance(type_, pa.BaseExtensionType)


def children(type_: Type) -> list[Type]:
    """Return the types of the fields of ``type_``; an extension type has those of its storage, a dictionary none."""
    if is_extension(type_):
        return children(type_.storage_type)
    return [type_.field(index).type for index in range(type_.num_fields)]


def holds(type_: Type, wanted: Callable[[Type], bool]) -> bool:
    """Tell whether ``wanted`` is true of ``type_``, of its storage, or of a type nested in it."""
    if is_extension(type_):
        return holds(type_.storage_type, wanted)
    return wanted(type_) or any(holds(child, wanted) for child in children(type_))
