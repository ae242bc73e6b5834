"""A few requests of the Kafka protocol over a bare socket: much faster to ask than a JVM tool."""
import socket
import struct

GROUP, TRANSACTION = 0, 1


class Wire:
    def __init__(self, port, timeout=2.0):
        self.s = socket.create_connection(("127.0.0.1", port), timeout)
        self.s.settimeout(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def call(self, api, version, body):
        client = b"services"
        head = struct.pack(">hhih", api, version, 7, len(client)) + client
        self.s.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        size = struct.unpack(">i", self.read(4))[0]
        return self.read(size)[4:]

    def read(self, n):
        out = b""
        while len(out) < n:
            part = self.s.recv(n - len(out))
            if not part:
                raise OSError("connection closed")
            out += part
        return out

    def metadata(self):
        """(controller id, sorted broker ids): Metadata v4, no topics. The id is that of some
        living broker, not of the quorum's leader: so KRaft brokers answer."""
        r = self.call(3, 4, struct.pack(">i?", 0, False))
        at, ids = 8, []
        for _ in range(struct.unpack_from(">i", r, 4)[0]):
            ids.append(struct.unpack_from(">i", r, at)[0])
            at += 4
            at += 2 + struct.unpack_from(">h", r, at)[0]  # host
            at += 4  # port
            at += 2 + max(0, struct.unpack_from(">h", r, at)[0])  # rack
        at += 2 + max(0, struct.unpack_from(">h", r, at)[0])  # cluster id
        return struct.unpack_from(">i", r, at)[0], sorted(ids)

    def coordinator(self, kind):
        """Error code of FindCoordinator v1 (0: there is one), for a GROUP or a TRANSACTION."""
        key = b"readiness"
        r = self.call(10, 1, struct.pack(">h", len(key)) + key + struct.pack(">b", kind))
        return struct.unpack_from(">h", r, 4)[0]


def metadata(port):
    """What the broker at `port` sees, or None while it does not answer."""
    try:
        with Wire(port) as w:
            return w.metadata()
    except (OSError, struct.error):
        return None


def coordinator(port, kind):
    """0 when a coordinator answers, else an error code or text."""
    try:
        with Wire(port, 5.0) as w:
            return w.coordinator(kind)
    except (OSError, struct.error) as e:
        return str(e)
