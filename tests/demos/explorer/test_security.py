"""Hostile requests to the explorer: other hosts and sites, large uploads, junk parameters, many clicks, a restart."""

import asyncio
import io
import json
import threading
import zlib

import numpy as np
import pytest
from explorer_client import client_of, decoded, make_explorer, png_file
from starlette.requests import Request

from demos.explorer import answers, app
from demos.explorer.app import ANSWERS, POSTS, STREAMS
from demos.explorer.parameters import Parameters
from demos.explorer.security import Guard, TooLargeError, names_of, read_body
from minicnn.errors import InputError

OURS = "127.0.0.1:8765"
JUNK = ("", "0", "-1", "1e9", "99999999999999999999", "9" * 5000, "\u0663", "input", "relu9", "../../etc/passwd",
        "<b>$x$", "\x1b[2J\n", "\U0001f984", "\0", "x" * 400, "nan")
VALID = {"layer": "relu3", "channel": "3", "row": "1", "column": "1", "label": "1", "kind": "guided", "size": "16",
         "steps": "1", "style": "dots", "view": "maps", "id": "p0", "name": "a.png"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "127.0.0.1@evil",
                                  "169.254.169.254", "localhost:80:80", "localhost."])
def test_other_hosts_are_refused(client, host):
    answer = client.get("/api/networks", headers={"host": host})
    assert answer.status_code == 421 and "own address" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "[::1]:8765"])
def test_the_names_of_this_machine_are_ours(client, host):
    assert client.get("/api/networks", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("headers", [
    {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": f"https://{OURS}"},
    {"origin": "http://127.0.0.1:9999"}, {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}])
def test_pages_of_other_sites_are_refused(client, headers):
    answer = client.post("/api/photo", params={"s": "a", "id": "p0"}, headers=headers)
    assert answer.status_code == 403 and "other sites" in answer.json()["error"]


def test_our_own_page_is_answered_with_its_policy(client):
    answer = client.post("/api/photo", params={"s": "a", "id": "p0"},
                         headers={"origin": f"http://{OURS}", "sec-fetch-site": "same-origin"})
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"] and answer.headers["x-content-type-options"]
    assert client.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200


def test_a_server_for_others_takes_addresses_but_no_foreign_names():
    guard = Guard(None, *names_of("0.0.0.0"))
    assert guard.is_ours("192.168.1.7:8765") and guard.is_ours("[fe80::1]:80") and not guard.is_ours("evil.example")
    assert not Guard(None, *names_of("127.0.0.1")).is_ours("192.168.1.7:8765")


def bomb(width, height):
    """A PNG file of a few bytes that says it has width x height pixels."""
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = zlib.compress(b"\0" * 99)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("width, height", [(10_000, 5_000), (60_000, 60_000)])
def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(client, width, height):
    answer = client.post("/api/photo", params={"s": "a"}, content=bomb(width, height))
    assert answer.status_code == 413 and "too large" in answer.json()["error"]
    assert "40,000,000" in answer.json()["error"] and "/tmp" not in answer.text


def test_an_upload_of_too_many_bytes_is_refused_with_and_without_a_length(client):
    answer = client.post("/api/photo", params={"s": "a"}, content=b"x", headers={"content-length": str(10**9)})
    assert answer.status_code == 413 and "25 MB" in answer.json()["error"]
    sent = iter([{"type": "http.request", "body": b"x" * 6, "more_body": True}] * 9)

    async def receive():
        return next(sent)
    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(TooLargeError):
        asyncio.run(read_body(request, 20))
    assert len(list(sent)) == 5  # the fourth part was the last one read


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\xff\xd8\xff", b"GIF89a", bomb(4, 4)[:40], b"%PDF-1.4",
                                  b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_an_upload_that_is_no_picture_is_one_sentence(client, data):
    answer = client.post("/api/photo", params={"s": "a", "name": "x.png"}, content=data)
    assert answer.status_code == 400 and "/tmp" not in answer.text and "minicnn-" not in answer.text
    assert "\n" not in answer.json()["error"]


def test_names_of_files_are_text_without_folders_and_control_characters(client, rng):
    picture = png_file(rng.integers(0, 256, (8, 8, 3), np.uint8))
    for name, title in (("../../etc/<img src=x onerror=1>.png", "<img src=x onerror=1>"), ("$x^$.png", "$x^$"),
                        ("a\x1b[2J\n.jpg", "a\\x1b[2J\\n"), ("\u202egnp.exe", "\\u202egnp")):
        answer = client.post("/api/photo", params={"s": "a", "name": name}, content=picture)
        assert answer.json()["title"] == title and answer.headers["content-type"] == "application/json"


class NoStream:
    """In place of a Stream that computes."""

    async def lines(self):
        """Yield nothing."""
        return
        yield


@pytest.mark.parametrize("name", [*ANSWERS, *POSTS, *STREAMS])
def test_junk_is_answered_with_one_sentence(client, pid, name, monkeypatch):
    """Every parameter of every address, missing, of the wrong type, huge, negative, or from another alphabet."""
    def ask(parameters):
        method = client.post if name in POSTS else client.get
        answer = method(f"/api/{name}", params={"s": "a"} | parameters)
        if answer.status_code == 200:
            return
        assert 400 <= answer.status_code < 500, (parameters, answer.text)
        error = answer.json()["error"]
        assert error and "\n" not in error and "\x1b" not in error and len(error) <= 500
        assert not any(part in error for part in ("/root", "/home", "/tmp", "/usr", ".py", "Traceback", ".h5"))
    monkeypatch.setattr(app, "start_stream", lambda work, session, calm, language: NoStream())
    valid, read, text = VALID | {"photo": pid}, set(), Parameters.text

    def recording(self, parameter, default=None):
        read.add(parameter)
        return text(self, parameter, default)
    monkeypatch.setattr(Parameters, "text", recording)
    ask(valid)
    ask({})
    for parameter in sorted(read):
        for value in JUNK:
            ask(valid | {parameter: value})
    for session in ("", "x" * 65, "a b", "\u00e4", "../a"):
        assert client.get(f"/api/{name}", params=valid | {"s": session}).status_code < 500


def test_unknown_addresses_and_methods_are_json(client):
    for path in ("/api/nothing", "/x", "/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page/"):
        answer = client.get(path)
        assert answer.status_code in (404, 405) and answer.json()["error"], path
    assert client.get("/api/photo").status_code == 405 and client.post("/api/maps").status_code == 405


def test_a_fault_inside_is_one_line_and_no_traceback(client, pid, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("/secret/path")
    monkeypatch.setattr(answers.pictures, "sheet", broken)
    answer = client.get("/api/maps", params={"s": "a", "photo": pid, "layer": "relu3"})
    assert answer.status_code == 500 and "secret" not in answer.text
    assert capsys.readouterr().err.count("\n") == 1


def test_the_page_s_own_questions_are_refused_without_an_error_status(client):
    """A browser would write an error status into its console."""
    mine = {"x-session": "a"}
    answer = client.get("/api/maps", params={"photo": "old", "layer": "relu3"}, headers=mine)
    assert (answer.status_code, answer.json()) == (200, {"lost": "photo"})
    answer = client.get("/api/network", params={"model": "none"}, headers=mine)
    assert answer.status_code == 200 and "no network" in answer.json()["error"]
    answer = client.post("/api/photo", content=bomb(9_999, 9_999), headers=mine)
    assert answer.status_code == 200 and "too large" in answer.json()["error"]


def test_photos_of_one_session_or_of_a_server_before_are_gone(client, pid):
    def ask(asked, session):
        return asked.get("/api/maps", params={"s": session, "photo": pid, "layer": "relu3"})
    assert ask(client, "a").status_code == 200
    assert ask(client, "b").status_code == 410
    restarted = make_explorer()
    with client_of(restarted) as other:
        answer = ask(other, "a")
    restarted.close()
    assert answer.status_code == 410 and "send the photo again" in answer.json()["error"]


def test_two_sessions_that_ask_at_once_do_not_mix(client, rng):
    def work(session, found):
        picture = np.full((64, 64, 3), 40 + 150 * (session == "m2"), np.uint8)
        told = client.post("/api/photo", params={"s": session}, content=png_file(picture)).json()
        for _ in range(8):
            parameters = {"s": session, "photo": told["photo"]}
            found.append(int(decoded(client.get("/api/image", params=parameters)).mean()))
            decoded(client.get("/api/picture", params=parameters | {"layer": "relu3", "channel": 1, "kind": "plain"}))
    results = {"m1": [], "m2": []}
    threads = [threading.Thread(target=work, args=item) for item in results.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == {"m1": [40] * 8, "m2": [190] * 8}


def test_sessions_are_few_and_the_oldest_goes(client, explorer):
    for number in range(20):
        client.post("/api/photo", params={"s": f"many{number}", "id": "p0"})
    assert len(explorer.sessions.sessions) == 8 and len(explorer.sessions.get("many19").photos) == 1
    for _ in range(9):
        client.post("/api/photo", params={"s": "many19", "id": "p1"})
    assert len(explorer.sessions.get("many19").photos) == 6


def test_weights_that_cannot_be_read_name_no_path(explorer, capsys, tmp_path, monkeypatch):
    networks = explorer.networks
    monkeypatch.setitem(networks.sources, "broken", str(tmp_path / "secret.h5"))
    with pytest.raises(InputError) as problem:
        networks.get("broken")
    assert "secret" not in str(problem.value) and "secret.h5" in capsys.readouterr().err


def test_json_answers_are_finite(client, pid):
    for name in ("value", "channel"):
        text = client.get(f"/api/{name}", params=VALID | {"s": "a", "photo": pid}).text
        json.load(io.StringIO(text), parse_constant=pytest.fail)
