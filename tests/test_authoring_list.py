"""`plugin list` and `plugin why`: what a server would serve and select, told without one, and why."""

import pytest
from author_command import documents, invoke
from plugin_samples import SYNTAX_ERROR, lines

from flight_server.wire import short_form


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


def listed(folder, *arguments):
    result = invoke("list", "--json", "--set", f"plugins.plugin_dir={folder}", *arguments)
    assert result.exit_code == 0, result.output
    return {row["file"]: row for row in documents(result)}


def why(folder, name, *arguments):
    result = invoke("why", name, "--json", "--set", f"plugins.plugin_dir={folder}", *arguments)
    (found,) = documents(result)
    assert result.exit_code == (0 if found["format"] else 1)
    return found


def test_a_plugin_is_listed_as_a_server_would_serve_it(folder):
    (folder / "lines.py").write_text(lines("2.1.0"))
    row = listed(folder)["lines.py"]
    told = {name: row[name] for name in ("name", "version", "origin", "extensions", "does", "state")}
    assert told == {
        "name": "lines",
        "version": "2.1.0",
        "origin": "folder",
        "extensions": [".lines"],
        "does": "reads+writes",
        "state": "active",
    }


def test_the_formats_that_ship_are_listed_too(folder):
    assert {row["name"] for row in listed(folder).values()} >= {"csv", "parquet"}


def test_what_would_be_rejected_is_listed_with_the_reason(folder):
    (folder / "broken.py").write_text(SYNTAX_ERROR)
    (folder / "crash.py").write_text("import os\nos.abort()\n")
    found = listed(folder)
    assert [found[name]["state"] for name in ("broken.py", "crash.py")] == ["rejected", "rejected"]
    assert "it cannot be imported" in found["broken.py"]["last_error"]
    assert "it was killed by SIGABRT" in found["crash.py"]["last_error"]


def test_a_file_says_which_configuration_it_is(folder, tmp_path):
    (folder / "lines.py").write_text(lines())
    config = tmp_path / "config.yaml"
    config.write_text(f"plugins: {{plugin_dir: {folder}, allow: {{lines: {'a' * 64}}}}}")
    result = invoke("list", "--json", "--config", config)
    (row,) = [row for row in documents(result) if row["file"] == "lines.py"]
    assert "plugins.allow.lines has aaa" in row["last_error"]


def test_without_json_it_is_a_table(folder):
    (folder / "lines.py").write_text(lines())
    result = invoke("list", "--set", f"plugins.plugin_dir={folder}")
    assert result.stdout.splitlines()[0].split("\t")[:3] == ["name", "version", "origin"]
    assert "lines\t1.0.0\tfolder\t.lines\treads+writes\tactive\tlines.py\t\n" in result.stdout


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert listed(tmp_path / "missing", "--set", f"plugins.audit_log={tmp_path / 'audit.jsonl'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["list"], ["why", "a.csv"]])
def test_why_the_folder_is_not_looked_at_is_noted_beside_the_answer(folder, command):
    def noted(*settings):
        result = invoke(*command, "--json", *(part for each in settings for part in ("--set", each)))
        assert result.exit_code == 0
        assert documents(result)
        return result.stderr

    missing, plain = folder / "missing", folder / "plain"
    plain.write_text("")
    assert noted(f"plugins.plugin_dir={missing}").startswith(f"Note: the plugin folder {missing} is not there; ")
    assert noted(f"plugins.plugin_dir={plain}").startswith(f"Note: the plugin folder {plain} is no folder: ")
    assert "(plugins.enable_plugins)" in noted(f"plugins.plugin_dir={folder}", "plugins.enable_plugins=false")
    assert noted(f"plugins.plugin_dir={folder}") == ""
    folder.chmod(0o777)
    assert f"repair: chmod o-w {folder}" in noted(f"plugins.plugin_dir={folder}")


def test_options_for_a_plugin_that_is_not_there_are_noted(folder):
    laid = "plugins.plugin_configs={cvs: {header: false}}"
    assert "plugin: cvs; nearest: csv" in invoke("list", "--set", laid, "--set", f"plugins.plugin_dir={folder}").stderr


def test_a_wrong_configuration_is_told():
    result = invoke("list", "--set", "plugins.plugin_dirr=x")
    assert result.exit_code == 1
    assert "unknown key 'plugins.plugin_dirr'" in result.stderr


def test_a_server_can_be_asked_instead(server):
    result = invoke("list", "--json", "--uri", server.location)
    assert {row["name"] for row in documents(result)} >= {"csv", "parquet"}
    assert {row["does"] for row in documents(result)} == {"reads+writes"}


def test_a_server_that_is_not_there_is_told():
    result = invoke("list", "--uri", "grpc://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_a_server_has_its_own_configuration(folder):
    assert invoke("list", "--uri", "grpc://127.0.0.1:1", "--set", f"plugins.plugin_dir={folder}").exit_code == 2


# why


def test_a_name_selects_a_content_encoding_and_a_format(folder):
    found = why(folder, "shop/sales.csv.gz")
    assert (found["file"], found["format"], found["content_encoding"]) == ("sales.csv.gz", "csv", "gzip")
    assert found["plugin"]["origin"] == "builtin"
    assert "the host unpacks it" in found["steps"][0]
    assert ".csv selects the format 'csv'" in found["steps"][1]


def test_the_steps_are_sentences_without_json(folder):
    result = invoke("why", "sales.csv", "--set", f"plugins.plugin_dir={folder}")
    assert result.stdout.splitlines() == why(folder, "sales.csv")["steps"]


def test_an_encoding_that_is_not_served_is_told(folder):
    found = why(folder, "sales.csv.xz")
    assert found["content_encoding"] == "xz"
    assert "refused" in found["steps"][-1]


def test_the_longest_extension_selects(folder):
    (folder / "long.py").write_text(lines(name="long", extensions=(".eu.csv",)))
    assert why(folder, "sales.eu.csv")["format"] == "long"
    assert ".2026.csv is the extension of no format" in why(folder, "sales.2026.csv")["steps"][1]


def test_who_else_would_have_the_extension_is_told(folder):
    (folder / "other.py").write_text(lines(name="other", extensions=(".csv", ".other")))
    steps = why(folder, "sales.csv")["steps"]
    told = "other.py (folder) would have it, too, but the extension '.csv' is held by the format 'csv'"
    assert f"{told}: requests for this one must name it." in steps


def test_an_override_is_told(folder):
    (folder / "mine.py").write_text(lines(name="csv", extensions=(".csv",)))
    refused, taken = (why(folder, "a.csv", *extra) for extra in ((), ("--set", "plugins.override=[csv]")))
    assert (refused["plugin"]["file"], taken["plugin"]["file"]) == ("comma_separated.py", "mine.py")
    assert any("plugins.override does not list it" in step for step in refused["steps"])
    assert any("as plugins.override lists it" in step for step in taken["steps"])


def test_a_rejected_plugin_that_would_have_it_is_told_with_the_reason(folder):
    (folder / "late.py").write_text(lines(name="late", extensions=(".late",), api=">=2"))
    (folder / "ledger.py").write_text(SYNTAX_ERROR)
    assert any("late.py (folder) would have it, and was rejected" in step for step in why(folder, "a.late")["steps"])
    assert any("ledger.py (folder) would have it, and was rejected" in step for step in why(folder, "a.ledger")["steps"])


def test_the_nearest_extension_is_told(folder):
    found = why(folder, "sales.cvs")
    assert found["format"] is None
    assert "The nearest extension is .csv, of the format 'csv'." in found["steps"]


@pytest.mark.parametrize("name", ["sales", "", ".", "/", ".csv", "sales.", ".csv.gz", "a" * 5000, "sales.gz", "sáles.çsv"])
def test_odd_names_select_nothing(folder, name):
    assert why(folder, name)["format"] is None


@pytest.mark.parametrize("name", ["a.csv", "a.CSV.GZ", "a.tsv.br", "a.b.parquet", "a.gz", "csv", "a.csv.gz.gz"])
def test_it_says_what_a_server_does(folder, name):
    extensions = {each: row["name"] for row in listed(folder).values() for each in row["extensions"]}
    found = why(folder, name)
    assert (found["format"], found["content_encoding"]) == short_form([name], extensions)[1:]


def test_a_format_that_is_only_read_is_told_so(folder):
    source = lines().replace("media_types=", "capabilities=PluginCapabilities(write=False), media_types=")
    (folder / "lines.py").write_text(source.replace("import PluginMetadata", "import PluginCapabilities, PluginMetadata"))
    assert why(folder, "a.lines")["steps"][1].endswith(", reads it.")
