"""A relay between a client and a server on unix sockets, which counts what each sends: a witness that
belongs to neither."""

import contextlib
import socket
import threading


class Relay:
    def __init__(self, path, target, stall_after=None, stall_answers_after=None):
        """Listens on `path`. After so many bytes nothing more reaches the server, or the client."""
        self.address = "unix:" + path
        self._target = target
        self._limits = [stall_after, stall_answers_after]
        self._lock = threading.Lock()
        self._passed = [0, 0]
        self._ends = []
        self.stalled = threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen(16)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._server.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._server.close()

    def vanish(self):
        """As if the server had died: connections break, and nobody listens any more."""
        self.__exit__(None, None, None)
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @property
    def sent_bytes(self):
        with self._lock:
            return self._passed[0]

    @property
    def answered_bytes(self):
        with self._lock:
            return self._passed[1]

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            with self._lock:
                self._ends += [client, server]
            threading.Thread(target=self._pass, args=(client, server, 0), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, 1), daemon=True).start()

    def _pass(self, source, sink, way):
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(1 << 16)
                if not data:
                    break
                if self._is_over(way, len(data)):
                    self.stalled.set()
                    continue
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _is_over(self, way, size):
        limit = self._limits[way]
        with self._lock:
            if limit is None or self._passed[way] + size <= limit:
                self._passed[way] += size
                return False
            # For good: a smaller piece that would fit must not follow.
            self._limits[way] = 0
            return True
