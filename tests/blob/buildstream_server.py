#!/usr/bin/python3
"""buildstream_server.py DIRECTORY [ADDRESS [TLS]]: the distribution's BuildStream as a blob store.

A server of the Remote Execution API that nobody here wrote, and an old one: no instances, no
compression, no ActionCache, batches of 1 MiB, and a way with errors of its own. Says where it
listens, by default on a free port of the loopback, and goes on until it's killed. In the folder TLS
are key.pem and cert.pem, its own, and ca.pem, who must have signed the clients' certificates.
"""

import signal
import sys

import grpc
from buildstream._artifactcache.casserver import create_server


def read(path):
    with open(path, "rb") as f:
        return f.read()


def main():
    directory = sys.argv[1]
    address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:0"
    # By default it evicts what was stored a moment ago once the disk has less than 2 GB left.
    server = create_server(directory, enable_push=True, max_head_size=1, min_head_size=0)
    if len(sys.argv) > 3:
        key, certificate, authority = (read(f"{sys.argv[3]}/{name}.pem")
                                       for name in ["key", "cert", "ca"])
        port = server.add_secure_port(address, grpc.ssl_server_credentials(
            [(key, certificate)], root_certificates=authority, require_client_auth=True))
    else:
        port = server.add_insecure_port(address)
    server.start()
    print(f"listening on {address.rsplit(':', 1)[0]}:{port}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
