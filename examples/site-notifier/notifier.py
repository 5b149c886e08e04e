#!/usr/bin/env python3
"""A site's own notifier: follows vrrp-core's event feed (docs/events.md) and runs one command for each transition.

    notifier.py HOOK     runs HOOK INSTANCE|GROUP NAME STATE PRIORITY

The hook has the event on its standard input, and HANDOVER_STATE, _PREVIOUS, _CAUSE and _SEQUENCE in its environment.
One hook runs at a time for each instance and each sync group, in the order of the events; those of different objects run
side by side, MAX_HOOKS at most, each for HOOK_LIMIT seconds at most. Where it stands is remembered, so that it goes on after a
restart where it was: every transition is told at least once, none out of order. If vrrp-core has forgotten what was missed, or
is another one, the hook runs for each object that is in another state than told last.

Where $HANDOVER_ALONE is set, there is no notifierd: then it also lets elections begin that wait for `startup_script`, which it
doesn't run. It takes no part in preludes, so nothing waits for them.

It needs nothing but Python's standard library. Whoever ends it by force has to end its children, too, as systemd does.
"""

import asyncio
import collections
import fcntl
import json
import os
import signal
import sys

HOOK_LIMIT = float(os.environ.get("HOOK_LIMIT", "30"))  # seconds
MAX_HOOKS = 16
MAX_WAITING = 1000  # events of one object; the oldest give way
MAX_LINE = 16 << 20  # bytes: a snapshot of many thousand virtual routers
RETRY = 0.2  # seconds from one attempt to connect to the next
LAST_WORDS = 0.3  # seconds for what vrrp-core said before it ended


def complain(text):
    print(text, file=sys.stderr, flush=True)


class Memory:
    """What was told, and up to which number all is done: a file that is replaced as a whole."""

    def __init__(self, path):
        self.path = path
        self.lock = open(path + ".lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"another notifier uses {path}")
        self.mark, self.told = None, {}  # boot and number; for each object: state, boot and number
        try:
            with open(path) as file:
                found = json.load(file)
                self.mark, self.told = found["mark"], found["told"]
        except FileNotFoundError:
            pass

    def save(self):
        with open(self.path + ".new", "w") as file:
            json.dump({"mark": self.mark, "told": self.told}, file)
        os.replace(self.path + ".new", self.path)


class Step:
    """One message of the feed: where it brings us, and how many hooks that takes."""

    def __init__(self, boot, sequence):
        self.mark, self.left = [boot, sequence], 0


class Worker:
    """One object: its events in order, one hook at a time."""

    def __init__(self, site, key):
        self.site, self.key = site, key
        self.waiting, self.task = [], None

    def add(self, event, step):
        step.left += 1
        self.waiting.append((event, step))
        if len(self.waiting) > MAX_WAITING:
            complain(f"{self.key}: too many events wait, the oldest is left out")
            self.site.finish(self.waiting.pop(0)[1])
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.work())

    async def work(self):
        told = self.site.memory.told
        while self.waiting:
            event, step = self.waiting.pop(0)
            boot, number = step.mark
            # INIT is no state to act on, and who has heard of a state needn't hear of it again. An event that is given once
            # more after a restart may be an old story.
            state, of, last = told.get(self.key, (None, None, 0))
            if event["to"] not in ("INIT", state) and (of != boot or number > last):
                async with self.site.turns:
                    await self.run(event)
                told[self.key] = (event["to"], boot, number)
            self.site.finish(step)

    async def run(self, event):
        environment = dict(
            os.environ,
            HANDOVER_STATE=event["to"],
            HANDOVER_PREVIOUS=event["from"],
            HANDOVER_CAUSE=event["cause"]["text"],
            HANDOVER_SEQUENCE=str(event["sequence"]),
        )
        kind, name = self.key.split(" ", 1)
        arguments = [self.site.hook, kind, name, event["to"], str(event.get("priority", 0))]
        try:
            child = await asyncio.create_subprocess_exec(
                *arguments, stdin=asyncio.subprocess.PIPE, env=environment, start_new_session=True
            )
        except OSError as error:
            return complain(f"{arguments}: {error}")
        try:
            await asyncio.wait_for(child.communicate(json.dumps(event).encode() + b"\n"), HOOK_LIMIT)
        except asyncio.TimeoutError:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
            complain(f"{arguments}: not done after {HOOK_LIMIT} s, killed")
        if child.returncode:
            complain(f"{arguments}: status {child.returncode}")


class Site:
    """The feed, and who works on it."""

    def __init__(self, hook, socket, memory):
        self.hook, self.socket, self.memory = hook, socket, memory
        self.position = memory.mark  # the last message that was read
        self.steps = collections.deque()  # what isn't done yet, in the order of the feed
        self.workers, self.turns, self.stopping = {}, asyncio.Semaphore(MAX_HOOKS), False

    def take(self, message):
        kind = message.pop("type")
        if kind == "snapshot":
            step = Step(message["boot"], message["sequence"])
            for it in message["instances"] + message.get("groups", []):
                state, since = it.pop("state"), it.pop("since")
                self.enqueue(dict(it, sequence=step.mark[1], to=state, at=since, **{"from": "INIT"}), step)
        elif kind in ("event", "group-event") and self.position is not None:
            step = Step(self.position[0], message["sequence"])
            self.enqueue(message, step)
        else:
            return
        self.position = step.mark
        self.steps.append(step)

    def enqueue(self, event, step):
        key = f"INSTANCE {event['instance']}" if "instance" in event else f"GROUP {event['group']}"
        self.workers.setdefault(key, Worker(self, key)).add(event, step)

    def finish(self, step):
        step.left -= 1
        while self.steps and self.steps[0].left == 0:
            self.memory.mark = self.steps.popleft().mark
        self.memory.save()

    async def begin(self):
        """Who asks for preludes is told that vrrp-core waits for `startup_script`; who leaves is asked for none."""
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=MAX_LINE)
        try:
            writer.write(b'{"request":"preludes"}\n')
            async for line in reader:
                message = json.loads(line)
                if message["type"] == "startup":
                    writer.write(b'{"request":"startup-done"}\n')
                    await writer.drain()
                elif message["type"] == "error":
                    return complain(f"vrrp-core: {message['error']}")
                elif message["type"] == "done":
                    return
        finally:
            writer.close()

    async def follow(self):
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=MAX_LINE)
        request = {"request": "subscribe"}
        if self.position is not None:
            request = {"request": "resume", "boot": self.position[0], "after": self.position[1]}
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            async for line in reader:
                try:
                    self.take(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    complain(f"a line that isn't understood: {error!r}")
        finally:
            writer.close()

    async def serve(self):
        told = None
        while not self.stopping:
            try:
                if os.environ.get("HANDOVER_ALONE"):
                    await self.begin()
                await self.follow()
                told = None
            except OSError as error:
                # vrrp-core is away; it will be back, and then says how things are.
                if str(error) != told and not self.stopping:
                    complain(f"connect to {self.socket}: {error}; tried again until it works")
                told = str(error)
            await asyncio.sleep(RETRY)

    async def main(self):
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        follower = asyncio.create_task(self.serve())
        await stop.wait()
        self.stopping = True
        await asyncio.wait({follower}, timeout=LAST_WORDS)
        follower.cancel()
        tasks = [worker.task for worker in self.workers.values() if worker.task]
        await asyncio.gather(*tasks)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: notifier.py HOOK")
    runtime = os.environ.get("RUNTIME_DIRECTORY", "/run/handover")
    socket = os.environ.get("HANDOVER_SOCKET", os.path.join(runtime, "vrrp-core.sock"))
    directory = os.environ.get("STATE_DIRECTORY", "/var/lib/handover-site-notifier")
    asyncio.run(Site(sys.argv[1], socket, Memory(os.path.join(directory, "memory"))).main())


if __name__ == "__main__":
    main()
