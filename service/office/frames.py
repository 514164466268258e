"""Frames on a socket: two lengths, a JSON header, a body of bytes."""

import json
import socket
import struct
from typing import Any

FRAME_BYTES = 256_000_000
_HEAD = struct.Struct(">II")
_PIECE_BYTES = 1 << 20

Header = dict[str, Any]


def write_frame(sock: socket.socket, header: Header, body: bytes = b"") -> None:
    """Send one frame: two lengths, a JSON header, a body of bytes.

    Raises:
        OSError: The other end is gone, or the socket's time limit passed.
    """
    text = json.dumps(header).encode()
    sock.sendall(_HEAD.pack(len(text), len(body)) + text)
    if body:
        sock.sendall(body)


def read_frame(sock: socket.socket, most_bytes: int = FRAME_BYTES) -> tuple[Header, bytes] | None:
    """Receive one frame.

    Args:
        sock: Where from.
        most_bytes: A larger frame is refused.

    Returns:
        Header and body; ``None`` when the other end closed between two frames.

    Raises:
        OSError: The other end went away within a frame, or the socket's time limit passed.
        ValueError: What came is no frame.
    """
    head = _read_exactly(sock, _HEAD.size)
    if head is None:
        return None
    header_bytes, body_bytes = _HEAD.unpack(head)
    if header_bytes + body_bytes > most_bytes:
        raise ValueError("frame too large")
    text, body = _read_exactly(sock, header_bytes), _read_exactly(sock, body_bytes)
    if text is None or body is None:
        raise ConnectionError("ended within a frame")
    return json.loads(text), body


def _read_exactly(sock: socket.socket, size: int) -> bytes | None:
    if size == 0:
        return b""
    buffer = bytearray(size)
    view = memoryview(buffer)
    filled = 0
    while filled < size:
        got = sock.recv_into(view[filled:], min(size - filled, _PIECE_BYTES))
        if got == 0:
            if filled == 0:
                return None
            raise ConnectionError("ended within a frame")
        filled += got
    return bytes(buffer)
