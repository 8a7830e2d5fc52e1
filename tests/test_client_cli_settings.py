"""How the command `flight-client` is told where the server is: flags, environment, profiles; and what a shell completes."""

import subprocess

import pytest
from click.testing import CliRunner
from client_command import COMMAND, CSV, environment, invoke

from flight_client.cli import main
from flight_client.commands import failures, profiles

SECRET = "hunter2-hunter2"  # noqa: S105 - what must not be shown
CONFIG = f"""
[default]
uri = "grpc://default:1"
token = "{SECRET}"

[slow]
uri = "grpc://slow:2"
timeout = 90
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.touch(0o600)
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize(
    ("given", "told", "uri", "token", "timeout"),
    [
        ({}, {}, "grpc://default:1", SECRET, 30),
        ({"uri": "grpc://flag:1"}, {"FLIGHT_URI": "grpc://told:1"}, "grpc://flag:1", None, 30),
        ({}, {"FLIGHT_URI": "grpc://told:1"}, "grpc://told:1", None, 30),
        ({}, {"FLIGHT_URI": ""}, "grpc://default:1", SECRET, 30),
        ({"uri": "grpc://default:1"}, {}, "grpc://default:1", SECRET, 30),
        ({}, {"FLIGHT_TOKEN": "told"}, "grpc://default:1", "told", 30),
        ({"token": "flag"}, {"FLIGHT_TOKEN": "told"}, "grpc://default:1", "flag", 30),
        ({"profile": "slow"}, {"FLIGHT_URI": "grpc://told:1"}, "grpc://slow:2", None, 90),
        ({"profile": "slow", "timeout": 5.0}, {}, "grpc://slow:2", None, 5),
        ({}, {"FLIGHT_PROFILE": "slow"}, "grpc://slow:2", None, 90),
        ({}, {"FLIGHT_PROFILE": "slow", "FLIGHT_URI": "grpc://told:1"}, "grpc://told:1", None, 90),
    ],
)
def test_what_is_said_last_wins_and_a_token_goes_to_its_own_server_only(config, given, told, uri, token, timeout):
    chosen = profiles.settings(given, {"FLIGHT_CLIENT_CONFIG": str(config), **told})
    assert (chosen.uri, chosen.token, chosen.timeout) == (uri, token, timeout)
    assert SECRET not in repr(chosen)


def test_certificates_are_of_the_profile_and_go_to_its_server_only(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[default]\nuri = 'grpc+tls://a:1'\nca = 'ca.pem'\ncertificate = 'us.pem'\nkey = 'us.key'\n")
    told = {"FLIGHT_CLIENT_CONFIG": str(path)}
    ours, theirs = profiles.settings({}, told), profiles.settings({"uri": "grpc+tls://b:1"}, told)
    assert (ours.ca, ours.certificate, ours.key) == ("ca.pem", "us.pem", "us.key")
    assert (theirs.ca, theirs.certificate, theirs.key) == ("ca.pem", None, None)
    assert profiles.settings({}, {**told, "FLIGHT_CA": "other.pem"}).ca == "other.pem"


def test_a_certificate_that_is_not_there_is_told(tmp_path):
    told = {"FLIGHT_CA": str(tmp_path / "absent.pem"), "HOME": str(tmp_path)}
    result = CliRunner().invoke(main, ["ls", "--uri", "grpc+tls://127.0.0.1:1"], env=told)
    assert result.exit_code == failures.REFUSED
    assert "absent.pem: No such file or directory" in result.stderr


def test_without_any_configuration_there_are_defaults(tmp_path):
    chosen = profiles.settings({}, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert chosen == profiles.Settings(uri=profiles.DEFAULT_URI, timeout=30)


def test_the_configuration_file_is_found_where_it_belongs(tmp_path):
    (tmp_path / "flight-client").mkdir()
    (tmp_path / "flight-client" / "config.toml").write_text('[default]\nuri = "grpc://found:1"\n')
    assert profiles.settings({}, {"XDG_CONFIG_HOME": str(tmp_path)}).uri == "grpc://found:1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'[default]\nuri = "grpc://a:1"\ntokn = "{SECRET}"', "[default] has an unknown key 'tokn'; did you mean 'token'?"),
        ('uri = "grpc://a:1"', "'uri' must stand in a table: write [default] before it"),
        ("[default]\nuri = 1", "[default] uri must be text"),
        ("[default]\ntimeout = -1", "[default] timeout must be seconds, above 0"),
        ("[default]\ntimeout = true", "[default] timeout must be seconds, above 0"),
        ("[default]\ntimeout = nan", "[default] timeout must be seconds, above 0"),
        (f"[default]\ntoken = ['{SECRET}']", "[default] token must be text"),
        (f"[default]\ntoken = '{SECRET}'", "has a token or certificate and no uri"),
        ("[default]\nuri = 'a'\nkey = 'b'", "must have both certificate and key"),
        (f"[default]\ntoken = {SECRET}", "it is not TOML"),
        ("[default]\nuri = 'a'\n[default]\nuri = 'b'", "it is not TOML"),
    ],
)
def test_a_wrong_configuration_file_is_one_line_that_helps_and_keeps_secrets(tmp_path, text, says):
    path = tmp_path / "config.toml"
    path.touch(0o600)
    path.write_text(text)
    result = CliRunner().invoke(main, ["ls"], env={"FLIGHT_CLIENT_CONFIG": str(path)})
    assert result.exit_code == failures.USAGE
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert SECRET not in result.output


def test_a_profile_that_is_not_there_is_told_with_the_nearest(config):
    result = CliRunner().invoke(main, ["ls", "--profile", "slwo"], env={"FLIGHT_CLIENT_CONFIG": str(config)})
    assert result.exit_code == failures.USAGE
    assert "there is no profile 'slwo'; did you mean 'slow'? (there is default, slow)" in result.stderr


def test_a_configuration_file_that_is_named_must_be_there(tmp_path):
    result = CliRunner().invoke(main, ["ls"], env={"FLIGHT_CLIENT_CONFIG": str(tmp_path / "absent.toml")})
    assert result.exit_code == failures.USAGE
    assert "No such file or directory" in result.stderr


def test_a_token_that_others_can_read_is_refused(config):
    config.chmod(0o644)
    result = CliRunner().invoke(main, ["ls"], env={"FLIGHT_CLIENT_CONFIG": str(config)})
    assert result.exit_code == failures.USAGE
    assert f"chmod 600 {config}" in result.stderr


def test_options_may_stand_before_and_behind_the_command(server, dataset):
    for words in (["--json", "ls", dataset], ["ls", dataset, "--json"]):
        assert invoke(server, *words).output == ""
    behind = invoke(None, "--uri", "grpc://127.0.0.1:1", "health", "--uri", server.location)
    assert behind.exit_code == 0


def test_a_token_is_never_told(server):
    for words in (["ls"], ["get", "absent"], ["--help"], ["ls", "--timeout", "0"]):
        shown = invoke(server, "--token", SECRET, *words, env={"FLIGHT_URI": server.location, "FLIGHT_TOKEN": SECRET})
        assert SECRET not in shown.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_for_each_shell(shell):
    result = invoke(None, "completion", shell)
    assert result.exit_code == 0
    assert f"_FLIGHT_CLIENT_COMPLETE={shell}_complete" in result.stdout


def told_to_shell(server, *words):
    told = environment(server, _FLIGHT_CLIENT_COMPLETE="bash_complete")
    told |= {"COMP_WORDS": " ".join(["flight-client", *words]), "COMP_CWORD": str(len(words))}
    done = subprocess.run(COMMAND, capture_output=True, text=True, env=told, timeout=60, check=True)
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


def completed(server, *words):
    return [line.partition(",")[2] for line in told_to_shell(server, *words)]


@pytest.mark.parametrize(
    "words", [["put", "sa"], ["put", "a.csv", "sa"], ["convert", "sa"], ["convert", "a", "sa"], ["get", "a", "-o", "sa"]]
)
def test_the_shell_is_asked_to_complete_names_of_files(words):
    assert told_to_shell(None, *words) == ["file,sa"]


def test_the_ways_of_packing_are_completed():
    assert completed(None, "put", "--encoding", "z") == ["zstd"]


def test_datasets_and_formats_are_completed_from_the_server(server, our_client, dataset):
    our_client.put(dataset, CSV.encode(), format="csv")
    assert completed(server, "get", dataset[:-3]) == [dataset]
    assert completed(server, "get", dataset, "--format", "p") == ["parquet"]
    assert completed(None, "--uri", server.location, "info", dataset[:-3]) == [dataset]
    assert "--columns" in completed(server, "get", "--col")
    assert "head" in completed(server, "he")


def test_completion_without_a_server_is_empty_and_quiet():
    assert completed(None, "--uri", "grpc://127.0.0.1:1", "get", "a") == []
    assert completed(None, "--uri", "nowhere", "get", "a") == []
