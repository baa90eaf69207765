"""The parser alone: it does not matter how the bytes arrive, and no bytes surprise it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from server.requests import Incoming, Malformed, Request, Response

PIECES = (
    b"GET / HTTP/1.1\r\n",
    b"POST /a/b?c=d HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"Host: x\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b" folded\r\n",
    b"\r\n",
    b"abc",
    b"\n",
    b"\x00",
    b"\xff",
)


def read(chunks: list[bytes]) -> list[Request | int]:
    """The requests made of *chunks*, ended by the status of the refusal if there is one."""
    incoming = Incoming(head_bytes=200, body_bytes=50)
    found: list[Request | int] = []
    try:
        for chunk in chunks:
            incoming.feed(chunk)
            while (request := incoming.take()) is not None:
                found.append(request)
            incoming.wants_continue()
    except Malformed as error:
        found.append(error.status)
    return found


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=12), st.data())
def test_how_bytes_are_cut_changes_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(chunks) == read([whole])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_requests_or_a_refusal(data: bytes) -> None:
    for found in read([data + b"\r\n\r\n"]):
        assert isinstance(found, Request) or 400 <= found < 600


def test_what_waits_is_bounded() -> None:
    incoming = Incoming(head_bytes=200, body_bytes=50)
    incoming.feed(b"\r\n" * 10_000)
    assert incoming.take() is None
    assert len(incoming) == 0
    assert not incoming.begun


def test_a_response_is_one_message_with_its_exact_length() -> None:
    raw = Response(headers={"Allow": "GET"}, body=b"x").to_bytes(head=False, close=False)
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw.endswith(b"\r\n\r\nx")
    assert b"Content-Length: 1\r\n" in raw
