"""A gRPC server that is not ours and answers grpc.health.v1.Health/Check by hand: "good" serves, "bad" does not.

Prints its port, and serves until its standard input ends.
"""
import sys
from concurrent import futures

import grpc


def check(request, context):
    # HealthCheckRequest { string service = 1; } and HealthCheckResponse { ServingStatus status = 1; }
    service = request[2:].decode()
    if service not in ('good', 'bad'):
        context.abort(grpc.StatusCode.NOT_FOUND, 'unknown service')
    return b'\x08\x01' if service == 'good' else b'\x08\x02'


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    handler = grpc.unary_unary_rpc_method_handler(check, request_deserializer=None, response_serializer=None)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('grpc.health.v1.Health', {'Check': handler}),))
    print(server.add_insecure_port('127.0.0.1:0'), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(0)


main()
