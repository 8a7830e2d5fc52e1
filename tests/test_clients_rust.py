"""The example client in Rust does what its README says, against a real server."""

import pytest
from language_clients import BUILD_SECS, built, check_large, check_refusal, check_tour, wanted

pytestmark = [wanted, pytest.mark.timeout(2 * BUILD_SECS)]


@pytest.fixture(scope="module")
def program():
    return built("rust", "cargo", "target/debug/flight-example")


def test_the_example_puts_gets_converts_and_shows_an_error(program, server, dataset, tmp_path):
    check_tour(program, server.location, dataset, tmp_path / "sales.csv", ("Int64", "Utf8", "Float64"))


def test_a_file_of_several_chunks_arrives_whole(program, server, dataset, tmp_path):
    check_large(program, server.location, dataset, tmp_path / "large.csv")


def test_wrong_data_ends_the_example_with_the_servers_code(program, server, dataset, tmp_path):
    check_refusal(program, server.location, dataset, tmp_path / "wrong.csv")
