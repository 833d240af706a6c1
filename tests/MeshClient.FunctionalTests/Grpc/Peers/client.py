"""A gRPC client that calls what the tests serve. Messages are plain bytes, so nothing has to be generated.

Arguments: port, folder with ca.pem, cert.pem and key.pem, the SPIFFE id the server has to prove, "with" or "without" a
certificate of its own. Makes the calls it reads from stdin; prints messages as they come, and then "result JSON".
"""
import json
import os
import queue
import sys
from pathlib import Path

import grpc

port, folder, server_id, certificate = sys.argv[1:]
folder = Path(folder)


def own(name):
    return (folder / name).read_bytes() if certificate == "with" else None


credentials = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes(), own("key.pem"), own("cert.pem"))
channel = grpc.secure_channel(
    f"127.0.0.1:{port}",
    credentials,
    (
        # The server is known by its SPIFFE id, and by nothing else. The core compares what stands here with the names in the
        # certificate, URIs too, and with the common name only where there are none. It cuts off what looks like a port, the
        # part after the colon; in brackets, as an IPv6 address would be, the name is taken whole and has to be equal.
        ("grpc.ssl_target_name_override", f"[{server_id}]"),
        ("grpc.default_authority", "orders"),
    ),
)


def tell(call, messages):
    trailers = {key: value for key, value in call.trailing_metadata() or ()}
    result = {"code": call.code().value[0], "details": call.details(), "messages": messages, "trailers": trailers}
    print("result", json.dumps(result), flush=True)


def unary(message):
    messages = []
    try:
        answer, call = channel.unary_unary("/pkg.Service/Unary").with_call(message, timeout=20)
        messages.append(f"{len(answer)} bytes: {answer.decode()[:20]}")
    except grpc.RpcError as error:
        call = error
    tell(call, messages)


def both_ways(method, count, cancel=False):
    """Sends the next message when the answer to the one before is there; or gives up then."""
    messages = []
    sending = queue.SimpleQueue()
    sending.put(b"1")
    call = channel.stream_stream(f"/pkg.Service/{method}")(iter(sending.get, None), timeout=20)
    try:
        for message in call:
            messages.append(message.decode())
            if cancel:
                call.cancel()
            sending.put(f"{len(messages) + 1}".encode() if len(messages) < count else None)
    except grpc.RpcError:
        pass
    sending.put(None)
    tell(call, messages)


COMMANDS = {
    "unary": lambda text: unary(text.encode()),
    "large": lambda size: unary(b"x" * int(size)),
    "pingpong": lambda count: both_ways("PingPong", int(count)),
    "hang": lambda: both_ways("AnswerAndHang", 2),
    "cancel": lambda: both_ways("AnswerAndHang", 2, cancel=True),
}

for line in sys.stdin:
    command, *arguments = line.split()
    COMMANDS[command](*arguments)
os._exit(0)
