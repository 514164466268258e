"""Forms that are too much, or no forms: refused with a reason, by every operation that takes one."""

import pytest

from tests.serving import Answer, Server

pytestmark = [pytest.mark.libreoffice, pytest.mark.fault("H2")]
BOUNDARY = "b0"
FILE = b'Content-Disposition: form-data; name="file"; filename="a.json"\r\nContent-Type: application/json\r\n\r\n{}'
TAKERS = ("/v1/verify", "/verify", "/upload/notice", "/batch/notice", "/v1/batches/notice")


def field(name: str, value: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value


def body(*parts: bytes) -> bytes:
    return b"".join(b"--b0\r\n" + part + b"\r\n" for part in parts) + b"--b0--\r\n"


def send(
    server: Server, path: str, content: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> Answer:
    return server.ask("POST", path, content, {"Content-Type": kind, "Accept": "application/json"})


@pytest.mark.parametrize("path", TAKERS)
def test_more_than_a_form_may_hold_is_413(server: Server, path: str) -> None:
    for content in (
        body(FILE, *(field(f"x{number}", b"1") for number in range(1001))),
        body(field("x", b"1" * 600_000), FILE),
    ):
        answer = send(server, path, content)
        # Pages speak to people, whatever a program accepts.
        said = answer.body.decode()
        assert answer.status == 413 or (answer.type == "text/html" and "超过大小上限" in said), (path, said)


@pytest.mark.parametrize("path", TAKERS)
def test_what_is_no_form_with_one_file_is_refused(server: Server, path: str) -> None:
    whole = body(FILE)
    for content, kind in (
        (whole, "multipart/form-data"),
        (whole, "multipart/form-data; boundary="),
        (whole, "multipart/form-data; boundary=other"),
        (whole[:-30], f"multipart/form-data; boundary={BOUNDARY}"),
        (b"", f"multipart/form-data; boundary={BOUNDARY}"),
        (body(FILE, FILE), f"multipart/form-data; boundary={BOUNDARY}"),
        (body(FILE.replace(b'"file"', b'"other"')), f"multipart/form-data; boundary={BOUNDARY}"),
        (body(b"X-A: " + b"1" * 70_000 + b"\r\n" + FILE), f"multipart/form-data; boundary={BOUNDARY}"),
    ):
        answer = send(server, path, content, kind)
        said = answer.body.decode()
        assert answer.status < 500, (path, kind, said)
        if answer.type == "application/problem+json":
            assert answer.status in (400, 413, 415, 422), (path, kind, said)
        else:
            assert 'class="fault' in said, (path, kind, said)
    assert server.get("/livez").status == 200
