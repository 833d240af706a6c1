"""A gRPC server to be called by the tests. Messages are plain bytes, so nothing has to be generated.

Arguments: folder with ca.pem, cert.pem and key.pem. Prints "port N", then what happens to it, a line each.
A line "go" on stdin lets a stream send its next message; the end of stdin ends it.
"""
import os
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc

folder = Path(sys.argv[1])
permits = threading.Semaphore(0)
writing = threading.Lock()


def say(line):
    with writing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def trailers(context):
    names = context.auth_context().get("x509_subject_alternative_name", [])
    context.set_trailing_metadata((("answered-by", "grpcio"), ("caller", ", ".join(name.decode() for name in names))))


# The end of a call that the handler did not end itself: cancelled by the caller, or out of time.
def watch(context, name):
    say(f"call {name}")
    ended = threading.Event()
    finished = {"by_handler": False}

    def on_end():
        ended.set()
        if not finished["by_handler"]:
            say(f"cancelled {name}")

    if not context.add_callback(on_end):
        on_end()
    return ended, finished


def unary(request, context):
    say("call Unary")
    trailers(context)
    return request


def server_stream(request, context):
    """As many messages as the request says, each when the test lets it go."""
    ended, finished = watch(context, "ServerStream")
    context.send_initial_metadata(())
    for i in range(1, int(request) + 1):
        while not permits.acquire(timeout=0.1):
            if ended.is_set():
                return
        yield f"message {i}".encode()
    while not permits.acquire(timeout=0.1):
        if ended.is_set():
            return
    finished["by_handler"] = True
    trailers(context)


def client_stream(requests, context):
    say("call ClientStream")
    messages = size = 0
    for message in requests:
        messages += 1
        size += len(message)
        say(f"received {messages}")
    trailers(context)
    return f"{messages} messages, {size} bytes".encode()


def ping_pong(requests, context):
    ended, finished = watch(context, "PingPong")
    for message in requests:
        yield b"pong " + message
    # The caller has sent all, or has cancelled: of that the requests end first, and the call a moment later.
    finished["by_handler"] = not ended.wait(1)
    trailers(context)


def fail(request, context):
    say("call Fail")
    context.abort(grpc.StatusCode.NOT_FOUND, "no such order: 100 % für näh")


def fail_mid_stream(request, context):
    say("call FailMidStream")
    yield b"message 1"
    yield b"message 2"
    context.abort(grpc.StatusCode.ABORTED, "lost the thread")


has_failed = False


def fail_first(request, context):
    """Fails the first call this process gets, before any message; says of retries what the request says."""
    global has_failed
    say("call FailFirst")
    if has_failed:
        trailers(context)
        return request
    has_failed = True
    if request:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", request.decode()),))
    context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")


def time_left(request, context):
    """How many milliseconds the caller leaves."""
    say("call TimeLeft")
    trailers(context)
    left = context.time_remaining()
    return b"none" if left is None or left > 1e6 else str(round(left * 1000)).encode()


def hang(request, context):
    ended, _ = watch(context, "Hang")
    ended.wait(60)
    return b""


def die(request, context):
    say("call Die")
    os._exit(1)


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "PingPong": grpc.stream_stream_rpc_method_handler(ping_pong),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailMidStream": grpc.unary_stream_rpc_method_handler(fail_mid_stream),
    "FailFirst": grpc.unary_unary_rpc_method_handler(fail_first),
    "TimeLeft": grpc.unary_unary_rpc_method_handler(time_left),
    "Hang": grpc.unary_unary_rpc_method_handler(hang),
    "Die": grpc.unary_unary_rpc_method_handler(die),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pkg.Service", HANDLERS),))
credentials = grpc.ssl_server_credentials(
    [((folder / "key.pem").read_bytes(), (folder / "cert.pem").read_bytes())],
    root_certificates=(folder / "ca.pem").read_bytes(),
    require_client_auth=True,
)
port = server.add_secure_port("127.0.0.1:0", credentials)
server.start()
say(f"port {port}")
for line in sys.stdin:
    if line.strip() == "go":
        permits.release()
os._exit(0)
