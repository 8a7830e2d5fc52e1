"""Native plugins and their host agree on versions, sizes and options, or part with a message."""

import ctypes
import dataclasses
import gc
import json
import shutil

import pyarrow as pa
import pytest
from native_plugins import NATIVE, STRICT, Builder, Loaded, needs_compiler, run, table

from flight_server.plugins import signatures
from format_plugins.contract import UnsupportedError
from format_plugins.native import abi
from format_plugins.native.elf import LibraryError
from format_plugins.native.fault import NativePluginError
from format_plugins.options import OptionError, decode

pytestmark = needs_compiler

ROWS = pa.table({"n": pa.array(range(6), pa.int64())})
READ_ONLY = 'CAPABILITIES="{\\"write\\": false}"'


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("built"))


@pytest.fixture
def faulty(build, tmp_path):
    return Loaded(build(), tmp_path)


@pytest.fixture
def refusal(build, tmp_path):
    """What is said of a library that is built with macros."""

    def ask(*macros):
        with pytest.raises(LibraryError) as caught:
            Loaded(build(*macros), tmp_path)
        return str(caught.value)

    return ask


class TestHeader:
    @pytest.mark.parametrize("compiler", ["gcc", "clang"])
    @pytest.mark.parametrize("standard", ["c99", "c11"])
    def test_it_compiles_as_c_without_a_warning(self, compiler, standard):
        if shutil.which(compiler) is None:
            pytest.skip(f"there is no {compiler} here")
        header = NATIVE / "format_plugin.h"
        run(
            [
                compiler,
                f"-std={standard}",
                "-Wall",
                "-Wextra",
                "-pedantic",
                "-Werror",
                "-Wconversion",
                "-fsyntax-only",
                "-xc",
                header,
            ]
        )

    @pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler here")
    def test_it_compiles_as_c_plus_plus_without_a_warning(self, tmp_path):
        source = tmp_path / "plugin.cpp"
        source.write_text('#include "format_plugin.h"\nFORMAT_PLUGIN_MANIFEST(manifest, "{}");\n')
        run(["c++", "-std=c++11", *STRICT[1:], "-fsyntax-only", f"-I{NATIVE}", source])

    def test_the_structs_lie_in_memory_as_python_has_them(self, tmp_path):
        kinds = {
            "FormatPluginError": abi.Error,
            "FormatPluginHost": abi.Host,
            "FormatPluginBytes": abi.Bytes,
            "FormatPluginFormat": abi.Format,
            "FormatPlugin": abi.Plugin,
            "ArrowSchema": abi.ArrowSchema,
            "ArrowArray": abi.ArrowArray,
            "ArrowArrayStream": abi.ArrowArrayStream,
        }
        places = [(name, field) for name, kind in kinds.items() for field, _ in kind._fields_]
        lines = [f'printf("%zu ", offsetof(struct {name}, {field}));' for name, field in places]
        lines += [f'printf("%zu ", sizeof(struct {name}));' for name in kinds]
        lines.append('printf("%u", FORMAT_PLUGIN_ABI_VERSION);')
        source = tmp_path / "layout.c"
        source.write_text('#include "format_plugin.h"\nint main(void) {\n' + "\n".join(lines) + "\nreturn 0;\n}\n")
        run(["cc", *STRICT, f"-I{NATIVE}", "-o", tmp_path / "layout", source])
        expected = [getattr(kinds[name], field).offset for name, field in places] + [*map(ctypes.sizeof, kinds.values())]
        assert list(map(int, run([tmp_path / "layout"]).split())) == [*expected, abi.ABI_VERSION]


class TestPlugin:
    def test_it_is_a_format_plugin(self, faulty):
        signatures.check_plugin(faulty.plugin)
        signatures.check_format(faulty.codec(), faulty.plugin.metadata().capabilities)
        assert (faulty.plugin.metadata().name, faulty.plugin.metadata().version) == ("numbers", "1.0.0")
        assert faulty.plugin.abi_version == (1, 0)

    def test_options_are_a_frozen_dataclass_with_types_defaults_and_words(self, faulty):
        fields = {item.name: item for item in dataclasses.fields(faulty.plugin.config_type)}
        assert list(fields) == ["fault", "batches", "words", "ratio", "flag"]
        assert fields["fault"].metadata["doc"] == "what goes wrong"
        assert faulty.plugin.config_type() == faulty.plugin.config_type(fault="", batches=3, words=None, ratio=0.5, flag=False)

    def test_options_reach_the_plugin_as_json(self, faulty):
        faulty.codec(batches=1, words=["ä", '"'], ratio=2, flag=True)
        expected = {"fault": "", "batches": 1, "words": ["ä", '"'], "ratio": 2.0, "flag": True}
        assert json.loads(faulty.lines[0]) == expected

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"batch": 1}, "unknown key 'batch'; did you mean 'batches'?"),
            ({"batches": -1}, "batches: Expected `int` >= 0"),
            ({"batches": "3"}, "batches: Expected `int`, got `str`"),
            ({"words": [1]}, "words: Expected `str`, got `int`"),
            ({"flag": 1}, "flag: Expected `bool`, got `int`"),
        ],
    )
    def test_wrong_options_are_refused_before_the_plugin_sees_them(self, faulty, options, message):
        with pytest.raises(OptionError, match="^" + message.replace("?", "[?]")):
            decode(faulty.plugin.config_type, options)

    def test_an_option_that_the_plugin_itself_refuses_is_named(self, faulty):
        with pytest.raises(OptionError, match="no such fault") as caught:
            faulty.codec(fault="option")
        assert caught.value.key == "fault"


class TestVersions:
    def test_another_major_version_in_the_manifest_is_refused_before_the_code_runs(self, refusal):
        assert refusal('ABI="2.0"') == "it was built for version 2 of the native interface, and this host has 1"

    def test_a_plugin_refuses_a_host_of_another_major_version_with_a_message(self, build, tmp_path, monkeypatch):
        monkeypatch.setattr(abi, "ABI_VERSION", 3 << 16)
        with pytest.raises(LibraryError, match="it was built for version 1 of the native interface, and the host has 3"):
            Loaded(build(), tmp_path)

    def test_a_plugin_that_answers_another_major_version_is_refused(self, refusal):
        assert refusal("ANSWER=0x20000") == "it answered version 2.0 of the native interface to a host that has 1.0"

    def test_of_two_minor_versions_the_lower_one_holds(self, build, tmp_path, monkeypatch):
        monkeypatch.setattr(abi, "ABI_VERSION", abi.ABI_VERSION + 7)
        assert Loaded(build(), tmp_path).plugin.abi_version == (1, 0)

    def test_a_plugin_that_answers_a_minor_version_above_the_hosts_is_refused(self, refusal):
        assert refusal("ANSWER=0x10005") == "it answered version 1.5 of the native interface to a host that has 1.0"

    def test_the_manifest_of_a_later_minor_version_may_say_more(self, build, tmp_path):
        more = 'CAPABILITIES="{\\"read\\": true}, \\"news\\": 1"'
        assert Loaded(build('ABI="1.9"', more), tmp_path).plugin.metadata().name == "numbers"

    def test_a_manifest_of_this_version_may_not(self, refusal):
        assert "unknown key 'news'" in refusal('CAPABILITIES="{\\"read\\": true}, \\"news\\": 1"')


class TestSizes:
    def test_a_struct_that_ends_before_create_format_is_refused(self, refusal):
        message = refusal("SMALL_PLUGIN=offsetof(struct FormatPlugin, create_format)")
        assert message == "it has no create_format, which every plugin must have"

    def test_a_struct_of_an_earlier_version_lacks_what_came_later(self, build, tmp_path):
        faulty = Loaded(build("SMALL_PLUGIN=offsetof(struct FormatPlugin, release)"), tmp_path)
        assert table(faulty.reader()).num_rows == 6
        del faulty.plugin
        gc.collect()
        assert faulty.releases() == ["format released", "stream released"]

    def test_what_lies_beyond_the_size_that_a_plugin_gives_is_never_read(self, build, tmp_path):
        faulty = Loaded(build("SMALL_FORMAT", READ_ONLY), tmp_path)
        assert table(faulty.reader()).num_rows == 6
        with pytest.raises(UnsupportedError, match="no open_writer"):
            faulty.written(ROWS)

    def test_a_plugin_that_writes_further_than_there_is_room_is_refused(self, refusal):
        assert "it wrote further than the" in refusal("GREEDY")


class TestMissing:
    def test_a_promise_to_write_without_a_writer_is_the_plugins_fault(self, build, tmp_path):
        with pytest.raises(NativePluginError, match="its capabilities say write, but it has no open_writer"):
            Loaded(build("NO_WRITER"), tmp_path).codec()

    def test_a_format_without_a_writer_can_be_read(self, build, tmp_path):
        faulty = Loaded(build("NO_WRITER", READ_ONLY), tmp_path)
        assert table(faulty.reader()).num_rows == 6
        with pytest.raises(UnsupportedError, match="its format can be read only"):
            faulty.written(ROWS)

    def test_the_manifest_in_the_file_stands_in_for_metadata_json(self, build, tmp_path):
        assert Loaded(build("NO_METADATA"), tmp_path).plugin.metadata().name == "numbers"

    def test_metadata_json_stands_in_for_the_manifest_in_the_file(self, build, tmp_path):
        assert Loaded(build("NO_MANIFEST"), tmp_path).plugin.metadata().name == "numbers"

    def test_a_plugin_without_either_is_refused(self, refusal):
        assert refusal("NO_METADATA", "NO_MANIFEST") == "it has no manifest: neither one in its file nor metadata_json"

    def test_the_two_must_say_the_same(self, refusal):
        assert refusal('METADATA=JSON("others")') == "what metadata_json says differs from the manifest in its file"


class TestCopies:
    def test_a_library_is_opened_from_a_copy_under_its_hash(self, build, tmp_path):
        Loaded(build(), tmp_path)
        Loaded(build(), tmp_path)
        (copy,) = (tmp_path / "copies").iterdir()
        assert copy.read_bytes() == build()
        assert copy.stat().st_mode & 0o777 == 0o500
        assert (tmp_path / "copies").stat().st_mode & 0o777 == 0o700

    def test_a_copy_that_was_changed_is_made_anew(self, build, tmp_path):
        content = build("ANSWER=0x10000")
        Loaded(content, tmp_path)
        (copy,) = (tmp_path / "copies").iterdir()
        copy.unlink()
        copy.write_bytes(b"something else")
        assert Loaded(content, tmp_path).plugin.metadata().name == "numbers"

    def test_a_folder_that_others_can_look_into_is_refused(self, build, tmp_path):
        (tmp_path / "copies").mkdir(mode=0o755)
        with pytest.raises(LibraryError, match="mode 0700"):
            Loaded(build(), tmp_path)

    def test_a_library_that_is_needed_and_not_there_is_named(self, tmp_path):
        (tmp_path / "needed.c").write_text("int needed(void) { return 1; }")
        (tmp_path / "plugin.c").write_text("int needed(void); int format_plugin_init(void) { return needed(); }")
        run(["cc", "-shared", "-fPIC", "-o", tmp_path / "libneeded.so", tmp_path / "needed.c"])
        run(["cc", "-shared", "-fPIC", "-o", tmp_path / "plugin.so", tmp_path / "plugin.c", f"-L{tmp_path}", "-lneeded"])
        with pytest.raises(LibraryError, match=r"libneeded\.so: cannot open shared object file"):
            Loaded((tmp_path / "plugin.so").read_bytes(), tmp_path)

    def test_a_function_that_is_nowhere_is_named_before_any_code_runs(self, tmp_path):
        mark = tmp_path / "it ran"
        source = f"""#include <stdio.h>
            int nowhere(void);
            __attribute__((constructor)) static void begin(void) {{ fclose(fopen("{mark}", "w")); }}
            int format_plugin_init(void) {{ return nowhere(); }}"""
        (tmp_path / "plugin.c").write_text(source)
        run(["cc", "-shared", "-fPIC", "-o", tmp_path / "plugin.so", tmp_path / "plugin.c"])
        with pytest.raises(LibraryError, match="undefined symbol: nowhere"):
            Loaded((tmp_path / "plugin.so").read_bytes(), tmp_path)
        assert not mark.exists()
