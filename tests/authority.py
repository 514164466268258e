"""A time stamping authority on 127.0.0.1: pyHanko's own, behind HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asn1crypto import keys, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps import DummyTimeStamper


@dataclass
class Authority:
    """A running authority.

    Attributes:
        url: Where it is asked.
        mood: ``good``, or how it fails: ``down`` (HTTP 503), ``refuses``, ``stale`` (answers to another question).
        asked: Number of questions.
    """

    url: str
    mood: str = "good"
    asked: int = 0
    last: bytes = field(default=b"", repr=False)


def _stamper() -> DummyTimeStamper:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "示例时间戳机构")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(key, hashes.SHA256())
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return DummyTimeStamper(asn1_x509.Certificate.load(der), keys.PrivateKeyInfo.load(private))


@contextmanager
def time_stamping() -> Iterator[Authority]:
    """Run an authority."""
    stamper = _stamper()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.asked += 1
            query = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.mood == "down":
                self.send_error(503)
                return
            if authority.mood == "refuses":
                content = tsp.TimeStampResp({"status": {"status": "rejection"}}).dump()
            elif authority.mood == "stale" and authority.last:
                content = authority.last
            else:
                request = tsp.TimeStampReq.load(query)
                content = asyncio.run(stamper.async_request_tsa_response(request)).dump()
            authority.last = content
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority = Authority(f"http://127.0.0.1:{server.server_port}/tsa")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
