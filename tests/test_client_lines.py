"""How the client shows who it is, and knows who the server is: against a small server with TLS that asks for a token."""

import shutil
import subprocess
import threading
from contextlib import contextmanager

import pyarrow as pa
import pytest
from pyarrow import flight

import flight_client
from flight_client.errors import BadRequest, Unauthenticated, Unavailable

TABLE = pa.table({"x": [1, 2, 3]})
TOKEN = "open-sesame"  # noqa: S105 - of the server that is made here
ONCE = flight_client.Retries(attempts=1)


class TokenAsked(flight.ServerMiddlewareFactory):
    """Lets in who has the token, and keeps what each call showed."""

    def __init__(self):
        self.shown = []

    def start_call(self, info, headers):
        self.shown.append((info.method.name, headers.get("authorization", [None])[0]))
        if self.shown[-1][1] != f"Bearer {TOKEN}":
            raise flight.FlightUnauthenticatedError("[unauthenticated] who are you? (id 0a1b)")


class Small(flight.FlightServerBase):
    def do_get(self, _context, _ticket):
        return flight.RecordBatchStream(TABLE)

    def do_put(self, _context, _descriptor, reader, writer):
        for _ in reader:
            pass
        writer.write(b'{"dataset":"a","version":1,"rows":3}')

    def do_exchange(self, _context, _descriptor, reader, writer):
        for _ in reader:
            pass
        writer.begin(TABLE.schema)

    def do_action(self, _context, _action):
        yield flight.Result(b'{"status":"ok"}')

    def list_flights(self, _context, _criteria):
        return iter(())


@contextmanager
def served(scheme, **arguments):
    asked = TokenAsked()
    with Small(f"{scheme}://127.0.0.1:0", middleware={"token": asked}, **arguments) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield f"{scheme}://127.0.0.1:{server.port}", asked.shown
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Self-signed ones for ``server.test`` and ``client.test``."""
    if shutil.which("openssl") is None:
        pytest.skip("TLS IS NOT TESTED: there is no openssl command to make certificates with")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client"):
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}.test"]
        command += [
            "-addext",
            f"subjectAltName=DNS:{name}.test",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            folder / f"{name}.pem",
        ]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def pair(folder, name):
    return (folder / f"{name}.pem").read_bytes(), (folder / f"{name}.key").read_bytes()


@pytest.fixture
def tls_server(certificates):
    with served("grpc+tls", tls_certificates=[pair(certificates, "server")]) as (uri, shown):
        yield uri, shown


def test_the_token_goes_with_every_kind_of_call_over_tls(tls_server, certificates):
    uri, shown = tls_server
    tls = flight_client.Tls(root_certificates=certificates / "server.pem", server_name="server.test")
    with flight_client.connect(uri, token=TOKEN, tls=tls) as client:
        assert client.health() == {"status": "ok"}
        assert client.list() == []
        assert client.get("a").read_all().equals(TABLE)
        assert client.put("a", TABLE).rows == 3
        client.convert(b"x\n", from_format="csv", to_format="csv").close()
    assert {method for method, _ in shown} == {"DO_ACTION", "LIST_FLIGHTS", "DO_GET", "DO_PUT", "DO_EXCHANGE"}
    assert {token for _, token in shown} == {f"Bearer {TOKEN}"}


def test_certificates_are_given_as_text_or_as_files(tls_server, certificates):
    uri, _ = tls_server
    path = certificates / "server.pem"
    for root in (path.read_bytes(), str(path), path):
        tls = flight_client.Tls(root_certificates=root, server_name="server.test")
        with flight_client.connect(uri, token=TOKEN, tls=tls) as client:
            assert client.health() == {"status": "ok"}


def test_a_wrong_token_is_unauthenticated_and_not_tried_again(tls_server, certificates):
    uri, shown = tls_server
    tls = flight_client.Tls(root_certificates=certificates / "server.pem", server_name="server.test")
    for token in ("open-barley", None):
        with flight_client.connect(uri, token=token, tls=tls) as client:
            for call in (client.health, lambda: client.get("a"), lambda: client.put("a", TABLE)):
                with pytest.raises(Unauthenticated, match="who are you"):
                    call()
    assert len(shown) == 6


def test_a_server_that_cannot_be_believed_is_not_spoken_to(tls_server, certificates):
    uri, shown = tls_server
    known = certificates / "server.pem"
    for tls in (
        flight_client.Tls(root_certificates=certificates / "client.pem", server_name="server.test"),
        flight_client.Tls(root_certificates=known, server_name="another.test"),
        flight_client.Tls(root_certificates=known),
        None,
    ):
        with flight_client.connect(uri, token=TOKEN, tls=tls) as client, pytest.raises(Unavailable):
            client.health()
    assert shown == []


def test_a_client_shows_its_certificate(certificates):
    root = certificates / "client.pem"
    arguments = {
        "verify_client": True,
        "root_certificates": root.read_bytes(),
        "tls_certificates": [pair(certificates, "server")],
    }
    with served("grpc+tls", **arguments) as (uri, _):
        server = {"root_certificates": certificates / "server.pem", "server_name": "server.test"}
        mutual = flight_client.Tls(**server, certificate=root, key=certificates / "client.key")
        with flight_client.connect(uri, token=TOKEN, tls=mutual) as client:
            assert client.health() == {"status": "ok"}
        one_sided = flight_client.Tls(**server)
        with flight_client.connect(uri, token=TOKEN, tls=one_sided) as client, pytest.raises(Unavailable):
            client.health()


def test_a_token_may_be_one_that_changes():
    with served("grpc") as (uri, shown):
        tokens = iter(["open-sesame", "stale"])
        with flight_client.connect(uri, token=lambda: next(tokens)) as client:
            assert client.health() == {"status": "ok"}
            with pytest.raises(Unauthenticated):
                client.health()
        assert [token for _, token in shown] == [f"Bearer {TOKEN}", "Bearer stale"]


def test_what_the_function_that_makes_the_token_raises_comes_out():
    def expired():
        raise LookupError("log in again")

    with served("grpc") as (uri, _), flight_client.connect(uri, token=expired) as client:
        for call in (client.health, lambda: client.get("a"), lambda: client.put("a", TABLE)):
            with pytest.raises(LookupError, match="log in again"):
                call()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ключ"])
def test_a_token_that_is_none_is_refused_at_once(token):
    with pytest.raises(BadRequest, match="token"):
        flight_client.connect("grpc://127.0.0.1:1", token=token)


def test_tls_needs_an_address_for_tls_and_both_halves_of_a_certificate():
    with pytest.raises(BadRequest, match="grpc\\+tls"):
        flight_client.connect("grpc://127.0.0.1:1", tls=flight_client.Tls())
    with pytest.raises(BadRequest, match="both"):
        flight_client.Tls(certificate=b"pem")
    with pytest.raises(FileNotFoundError):
        flight_client.connect("grpc+tls://127.0.0.1:1", tls=flight_client.Tls(root_certificates="absent.pem"))


def test_secrets_are_in_no_representation():
    with flight_client.connect("grpc+tls://127.0.0.1:1", token=TOKEN, retries=ONCE) as client:
        assert "sesame" not in repr(vars(client)) + repr(vars(client._line))
    assert "secret" not in repr(flight_client.Tls(certificate=b"known", key=b"secret"))
