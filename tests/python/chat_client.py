"""Two users of the chat in examples/asyncio_chat.rs, on CPython's own asyncio: python3 chat_client.py PORT"""

import asyncio
import sys

LIMIT = 20  # seconds, for each wait


async def wait(what):
    return await asyncio.wait_for(what, LIMIT)


class User:
    """One connection; what it hears is printed behind its name."""

    def __init__(self, name, reader, writer):
        self.name, self.reader, self.writer = name, reader, writer

    @classmethod
    async def enter(cls, name, port):
        user = cls(name, *await wait(asyncio.open_connection("127.0.0.1", port)))
        await user.hears("name?")
        await user.says(name)
        return user

    async def says(self, line):
        self.writer.write(line.encode() + b"\n")
        await wait(self.writer.drain())

    async def hears(self, *expected):
        line = (await wait(self.reader.readuntil(b"\n"))).decode().rstrip("\n")
        print(f"{self.name} < {line}")
        assert line in expected, (self.name, line, expected)

    async def leaves(self):
        self.writer.close()
        await wait(self.writer.wait_closed())


async def main(port):
    ann = await User.enter("ann", port)
    await ann.hears("* here: nobody")
    bob = await User.enter("bob", port)
    await bob.hears("* here: ann")
    await ann.hears("* bob is here")

    await ann.says("hello, bob")
    await bob.hears("ann: hello, bob")
    await bob.says("tea?")
    await ann.hears("bob: tea?")

    # A name is somebody's as long as they are there.
    other = await User.enter("bob", port)
    await other.hears("* taken; another name?")
    await other.says("eve")
    await other.hears("* here: ann, bob")
    await ann.hears("* eve is here")
    await bob.hears("* eve is here")

    # Many lines at once arrive whole and in order.
    ann.writer.writelines(f"line {n}\n".encode() for n in range(1000))
    await wait(ann.writer.drain())
    for n in range(1000):
        for user in (bob, other):
            line = await wait(user.reader.readline())
            assert line == f"ann: line {n}\n".encode(), (user.name, line)
    print("1000 lines heard by two")

    await bob.leaves()
    await ann.hears("* bob has left")
    await other.hears("* bob has left")

    # No more from eve; what she was told before still arrives.
    other.writer.write(b"good night\n")
    other.writer.write_eof()
    await ann.hears("eve: good night")
    await ann.hears("* eve has left")
    assert await wait(other.reader.read()) == b""
    await ann.leaves()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
