"""A library's file is checked before any of its code runs, and what is wrong is said."""

import contextlib
import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_plugins import COMPILER, Builder, needs_compiler, run

from format_plugins.native.elf import Elf, LibraryError
from format_plugins.native.library import checked


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("built"))


def refusal(content):
    with pytest.raises(LibraryError) as caught:
        checked(content)
    return str(caught.value)


def patched(content, offset, form, value):
    changed = bytearray(content)
    struct.pack_into(form, changed, offset, value)
    return bytes(changed)


def compiled(folder, source, *arguments):
    (folder / "source.c").write_text(source)
    run([COMPILER, "-o", folder / "made", *arguments, folder / "source.c"])
    return (folder / "made").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"#!/bin/sh\necho\n", "it is a text file, not a library: it begins with '#!/bin/sh'"),
        (b"\n", "it is a text file, not a library: it begins with ''"),
        (b"MZ\x90\x00" + bytes(100), "it is a Windows file (PE), not a shared library of Linux (ELF)"),
        (b"\xcf\xfa\xed\xfe" + bytes(100), "it is a macOS file (Mach-O), not a shared library of Linux (ELF)"),
        (b"!<arch>\n", "it is a static library: link it with -shared, not a shared library of Linux (ELF)"),
        (b"\x00\x01\x02\x03", "it is not a shared library (ELF): it begins with 00 01 02 03"),
        (b"\x7fELF", "it is incomplete: it has 4 bytes, and a library's header alone has 64"),
    ],
)
def test_a_file_of_another_kind_is_named(content, message):
    assert refusal(content) == message


@needs_compiler
class TestLibraries:
    def test_a_plugin_passes_and_its_manifest_is_read_without_running_it(self, build):
        assert Elf(build()).exports == ("format_plugin_init",)
        assert checked(build()).metadata.name == "numbers"
        assert checked(build("NO_MANIFEST")) is None

    def test_another_machine_is_named(self, build):
        assert "it is built for aarch64, and this machine is" in refusal(patched(build(), 18, "<H", 183))
        assert "it is built for machine 999, and this machine is" in refusal(patched(build(), 18, "<H", 999))

    def test_another_word_size_is_named(self, build):
        assert refusal(patched(build(), 4, "<B", 1)) == "it is built for 32 bits, and this process has 64"

    def test_another_byte_order_is_refused(self, build):
        assert "it is built for" in refusal(patched(build(), 5, "<B", 2))

    @pytest.mark.parametrize("part", [0.99, 0.5, 0.1])
    def test_a_file_that_is_still_being_copied_is_incomplete(self, build, part):
        content = build()[: int(len(build()) * part)]
        assert refusal(content).startswith("it is incomplete: it needs ")
        assert refusal(content).endswith(f"and has {len(content):,}")

    def test_an_object_file_is_named(self, tmp_path):
        content = compiled(tmp_path, "int format_plugin_init(void) { return 0; }", "-c")
        assert refusal(content) == "it is an object file: link it with -shared"

    @pytest.mark.parametrize("kind", ["-pie", "-no-pie"])
    def test_a_program_is_no_library(self, tmp_path, kind):
        content = compiled(tmp_path, "int main(void) { return 0; }", "-fPIE" if kind == "-pie" else "-fno-pie", kind)
        assert refusal(content) == "it is a program, not a shared library"

    @pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
    def test_what_a_library_exports_is_named_when_the_entry_is_not_among_it(self, tmp_path, style):
        source = "int create_plugin(void) { return 0; } int other(void) { return 1; } int format_plugin_init;"
        content = compiled(tmp_path, source, "-shared", "-fPIC", f"-Wl,--hash-style={style}")
        assert refusal(content) == "it exports no format_plugin_init; it exports create_plugin, other"

    def test_a_library_that_exports_nothing_says_so(self, tmp_path):
        content = compiled(tmp_path, "static int n; int f(void) { return n; }", "-shared", "-fPIC", "-fvisibility=hidden")
        assert refusal(content) == "it exports no format_plugin_init; it exports no function"

    def test_many_exports_are_not_all_named(self, tmp_path):
        source = "".join(f"int f{index}(void) {{ return {index}; }}\n" for index in range(9))
        assert refusal(compiled(tmp_path, source, "-shared", "-fPIC")).endswith("it exports f0, f1, f2, f3, f4 and 4 more")

    def test_an_entry_that_is_only_used_and_not_defined_does_not_count(self, tmp_path):
        source = "int format_plugin_init(void); int call(void) { return format_plugin_init(); }"
        assert "it exports no format_plugin_init" in refusal(compiled(tmp_path, source, "-shared", "-fPIC"))

    @pytest.mark.skipif(shutil.which("strip") is None, reason="there is no strip here")
    def test_a_stripped_library_passes(self, build, tmp_path):
        target = tmp_path / "stripped.so"
        target.write_bytes(build())
        subprocess.run(["strip", target], check=True)
        assert checked(target.read_bytes()).metadata.name == "numbers"

    def test_a_library_without_sections_passes_and_has_no_manifest(self, build):
        content = patched(patched(build(), 40, "<Q", 0), 60, "<H", 0)
        assert checked(content) is None

    @given(st.data())
    def test_damage_is_refused_or_does_not_matter(self, build, data):
        content = bytearray(build())
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, 1200) | st.integers(0, len(content) - 1))
            content[place] = data.draw(st.integers(0, 255))
        with contextlib.suppress(LibraryError):
            checked(bytes(content))

    @pytest.mark.parametrize("place", [32, 40])
    @pytest.mark.parametrize("offset", [1 << 20, (1 << 63) - 1, (1 << 64) - 1])
    def test_headers_that_lead_out_of_the_file_are_refused(self, build, place, offset):
        assert refusal(patched(build(), place, "<Q", offset)).startswith(("it is damaged", "it is incomplete"))
