"""Configuration is strict, helpful, and has one definition."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from flight_server import settings_page
from flight_server.cli import main
from flight_server.config import Config
from flight_server.configfile import ConfigError, load

ROOT = Path(__file__).parent.parent


def loaded(tmp_path, text, *overrides, environment=None):
    path = tmp_path / "server.yaml"
    path.write_text(text)
    return load(path, overrides, environment or {})


def test_no_file_is_the_defaults():
    assert load(None) == Config()


@pytest.mark.parametrize("text", ["", "# nothing\n", "server:\n", "server: {}\nstore:\n"])
def test_what_is_left_out_has_its_default(tmp_path, text):
    assert loaded(tmp_path, text) == Config()


def test_the_specifications_keys_are_understood(tmp_path):
    config = loaded(
        tmp_path,
        "plugins: {plugin_dir: ./p, enable_plugins: true, plugin_configs: "
        "{my_plugin: {batch_size: 1024, custom_setting: value}}}",
    )
    assert config.plugins.plugin_dir == "./p"
    assert config.plugins.plugin_configs == {"my_plugin": {"batch_size": 1024, "custom_setting": "value"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servr: {}", r"unknown key 'servr'; did you mean 'server'\?"),
        ("server: {locaton: x}", r"unknown key 'server\.locaton'; did you mean 'location'\?"),
        ("store: {retain_secs: soon}", r"store\.retain_secs: .*in 'soon'"),
        ("store: [1]", "store must be a mapping, not list"),
        ("plugins: {enable_plugins: 1}", r"plugins\.enable_plugins"),
        ("plugins: {version_compatibility: maybe}", r"plugins\.version_compatibility"),
        ("- a", "must hold sections"),
        ("server: {location: a, location: b}", "given twice"),
        ("server: {location: ", "not valid YAML"),
        ("server: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("server: {location: '${env:NOT_SET}'}", r"server\.location: the environment variable NOT_SET is not set"),
        ("server: {location: '${file:/etc/passwd}'}", "no reference that is known"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, text)


def test_the_environment_fills_references(tmp_path):
    config = loaded(
        tmp_path,
        "server: {location: 'grpc://${env:HOST}:${env:PORT}', drain_timeout_secs: '${env:SECS}'}",
        environment={"HOST": "::1", "PORT": "99", "SECS": "2.5"},
    )
    assert config.server.location == "grpc://::1:99"
    assert config.server.drain_timeout_secs == 2.5


def test_settings_are_laid_over_the_file(tmp_path):
    config = loaded(
        tmp_path, "store: {path: a}", "store.path=b", "store.retain_secs=5", "plugins.plugin_configs.csv.delimiter=;"
    )
    assert (config.store.path, config.store.retain_secs) == ("b", 5.0)
    assert config.plugins.plugin_configs == {"csv": {"delimiter": ";"}}


@pytest.mark.parametrize("override", ["store", "store.path", "path=x", "store.pth=x", "store.path.x=1", ".=1"])
def test_a_setting_that_cannot_be_laid_is_refused(tmp_path, override):
    with pytest.raises(ConfigError):
        loaded(tmp_path, "store: {path: a}", override)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load(tmp_path / "absent.yaml")


def test_the_default_file_holds_every_key_its_comment_and_nothing_else():
    text = (ROOT / "configs/default.yaml").read_text()
    assert text == settings_page.default_yaml()
    assert load(ROOT / "configs/default.yaml") == Config()


@pytest.mark.parametrize("name", ["default", "development", "production"])
def test_the_files_that_ship_are_good(name):
    load(ROOT / f"configs/{name}.yaml", environment={"FLIGHT_STORE": "/srv/flight"})


def test_the_readme_of_the_settings_has_the_table_of_all_of_them():
    assert settings_page.table() in (ROOT / "configs/README.md").read_text()


def test_config_check_says_good_or_why_not(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("log: {level: debug}")
    assert CliRunner().invoke(main, ["config", "check", str(path)]).output.endswith("good\n")
    path.write_text("log: {level: loud}")
    result = CliRunner().invoke(main, ["config", "check", str(path)])
    assert result.exit_code == 1
    assert "log.level" in result.output
    assert "Traceback" not in result.output


def test_config_show_prints_what_would_be_used():
    result = CliRunner().invoke(main, ["config", "show", "--set", "store.path=/x"])
    assert yaml.safe_load(result.output)["store"]["path"] == "/x"


def test_off_is_a_word_and_false_a_boolean(tmp_path):
    path = tmp_path / "flight.yaml"
    path.write_text("plugins: {sandbox: off, version_compatibility: off, enable_plugins: False}\n")
    plugins = load(path, {}).plugins
    assert (plugins.sandbox, plugins.version_compatibility, plugins.enable_plugins) == ("off", "off", False)
