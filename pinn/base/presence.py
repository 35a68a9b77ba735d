"""Whether the processes of a run are alive.

Each process is connected to the first one. The system closes the connection of a process that dies,
however it dies, so the first one knows at once which it was, and tells the others.
"""

import json
import os
import secrets
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pinn.base.signals import SIGNALS, program

HEARING = 1.0  # seconds that the main thread has to act on a signal
TICK = 0.2  # seconds between looks at processes that are not connected yet
PATIENCE = 10.0  # seconds that this process has to notice the loss by itself
CODES = {128 + s: s for s in SIGNALS}
# For machines that vanish without a word: seconds until asked, between questions, and how many.
KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}

Children = Callable[[], Mapping[int, "subprocess.Popen[bytes]"]]


@dataclass(frozen=True)
class Loss:
    """A process that is gone before the end.

    Args:
        rank: which one.
        how: what became of it, as in `was killed by SIGKILL`.
        signum: the signal that told it to stop; 0 if it was none.
    """

    rank: int
    how: str
    signum: int = 0


class Presence(threading.Thread):
    """Notices that a process of the run is gone.

    Args:
        rank: of this process.
        children: the processes that this one has started, by their rank.
        parent: the number of the process that has started this one; 0 if that is not of the run.
        give_up: ends this process, where it has not noticed a loss by itself.
    """

    def __init__(
        self, rank: int, children: Children, parent: int, give_up: Callable[[Loss], object]
    ) -> None:
        super().__init__(daemon=True, name="presence")
        self.rank, self.children, self.parent, self.give_up = rank, children, parent, give_up
        self.loss: Loss | None = None
        self.known = threading.Event()
        self.is_over = False
        self.token = secrets.token_hex(8)
        self.links: dict[socket.socket, int] = {}  # connection → the rank at its other end
        self.rest: dict[socket.socket, bytes] = {}  # what was read of a line
        self.selector = selectors.DefaultSelector()
        self.deadline = 0.0
        self.ear = 0  # where signals are written to, once they are heard
        self.heard: tuple[int, float] = (0, 0.0)  # a signal, and when it has to have had its effect

    def hear(self) -> None:
        """Notice signals while the main thread waits for others and cannot; called from there."""
        if threading.current_thread() is not threading.main_thread():
            return
        reader, self.ear = os.pipe()
        os.set_blocking(self.ear, False)
        signal.set_wakeup_fd(self.ear, warn_on_full_buffer=False)
        self.selector.register(reader, selectors.EVENT_READ, "signal")

    def open(self) -> tuple[str, int, str]:
        """Wait for the others, from the first process: host, port and token for `connect`."""
        both = socket.has_dualstack_ipv6()
        server = socket.create_server(
            ("", 0),
            family=socket.AF_INET6 if both else socket.AF_INET,
            dualstack_ipv6=both,
            backlog=4096,
        )
        self.selector.register(server, selectors.EVENT_READ, "server")
        return os.environ.get("MASTER_ADDR", "127.0.0.1"), server.getsockname()[1], self.token

    def connect(self, host: str, port: int, token: str) -> None:
        """Connect with the first process."""
        link = socket.create_connection((host, port), timeout=30)
        self.hold(link, 0)
        self.send(link, {"rank": self.rank, "token": token})

    def hold(self, link: socket.socket, rank: int) -> None:
        """Watch a connection."""
        link.setblocking(True)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE.items():
            if hasattr(socket, name):
                link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.links[link], self.rest[link] = rank, b""
        self.selector.register(link, selectors.EVENT_READ, "link")

    def run(self) -> None:
        """Watch until the run is over."""
        while not self.is_over:
            for key, _ in self.selector.select(TICK) if self.selector.get_map() else ():
                if key.data == "signal":
                    for signum in os.read(key.fd, 1):  # nothing, once nobody hears any more
                        self.heard = (signum, time.monotonic() + HEARING)
                elif key.data == "server":
                    self.hold(key.fileobj.accept()[0], -1)  # type: ignore[union-attr]
                else:
                    self.listen(key.fileobj)  # type: ignore[arg-type]
            if not self.selector.get_map():
                time.sleep(TICK)
            if self.loss is None and not self.is_over:
                self.look()
            if self.loss and time.monotonic() > self.deadline and not self.is_over:
                self.give_up(self.loss)
        self.close()

    def look(self) -> None:
        """See to the processes that this one has started, and to that which has started it."""
        signum, at = self.heard
        if signum in SIGNALS and not program.defers and time.monotonic() > at:
            self.give_up(Loss(self.rank, f"was stopped by {signal.Signals(signum).name}", signum))
        for rank, child in self.children().items():
            if child.poll():
                self.lose(Loss(rank, *fate(child.returncode)))
        if self.parent and os.getppid() != self.parent:
            self.lose(Loss(0, "was killed"))

    def listen(self, link: socket.socket) -> None:
        """Read what another process says, or that it is gone."""
        try:
            data = link.recv(65536)
        except OSError:
            data = b""
        *lines, self.rest[link] = (self.rest[link] + data).split(b"\n")
        for line in lines:
            if link in self.links:  # else it was dropped by the line before
                self.understand(link, json.loads(line))
        rank = self.links.get(link, -1)
        if not data and link in self.links:
            self.drop(link)
            if rank >= 0 and not self.is_over:
                child = self.children().get(rank)
                self.lose(Loss(rank, *(fate(ended(child)) if child else ("was killed", 0))))

    def understand(self, link: socket.socket, said: dict[str, Any]) -> None:
        """Act on a line of another process; one that is not of this run is dropped."""
        if self.links[link] < 0:
            if said.get("token") != self.token:
                self.drop(link)
            else:
                self.links[link] = int(said["rank"])
        elif "loss" in said:
            self.lose(Loss(**said["loss"]))
        else:  # it is done
            self.drop(link)

    def lose(self, loss: Loss) -> None:
        """Note the first loss, and tell the others."""
        if self.loss is None:
            self.deadline = time.monotonic() + (PATIENCE if self.links else 0.0)
            self.loss = loss
            self.known.set()
            if self.rank == 0:
                self.tell(loss)

    def tell(self, loss: Loss) -> None:
        """Let the processes at the other ends know."""
        for link in list(self.links):
            self.send(link, {"loss": asdict(loss)})

    def wait(self, seconds: float) -> Loss | None:
        """The loss that explains an error, which may be known a little later than that."""
        self.known.wait(seconds)
        return self.loss

    def leave(self) -> None:
        """This process is done: its end is no loss."""
        self.is_over = True
        if self.ear and threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)
            os.close(self.ear)
            self.ear = 0
        for link in list(self.links):
            self.send(link, {"done": True})
        if not self.is_alive():
            self.close()

    def close(self) -> None:
        """Watch nothing any more."""
        for link in list(self.links):
            self.send(link, {"done": True})  # `leave` may not have come so far
            self.drop(link)
        for key in list((self.selector.get_map() or {}).values()):
            self.selector.unregister(key.fileobj)
            if isinstance(key.fileobj, int):
                os.close(key.fileobj)
            else:
                key.fileobj.close()  # type: ignore[attr-defined]
        self.selector.close()

    def send(self, link: socket.socket, said: dict[str, Any]) -> None:
        """Say something, if anybody listens."""
        try:
            link.sendall(json.dumps(said).encode() + b"\n")
        except OSError:
            return

    def drop(self, link: socket.socket) -> None:
        """Watch a connection no more."""
        if self.links.pop(link, None) is not None:
            self.selector.unregister(link)
            link.close()


def ended(child: "subprocess.Popen[bytes]", seconds: float = 2.0) -> int | None:
    """The exit code of a process whose connection is closed."""
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def fate(code: int | None) -> tuple[str, int]:
    """What became of a process by its exit code, and the signal that told it to stop, or 0."""
    if code is None:
        return "does not answer", 0
    if code in CODES:
        return f"was stopped by {CODES[code].name}", int(CODES[code])
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}", 0
    return f"ended with exit code {code}", 0
