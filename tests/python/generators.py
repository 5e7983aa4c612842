"""The four generator programs of the article, with the end of each traceback where it lets an error through."""


def last_line(step):
    try:
        return step()
    except BaseException as error:
        text = str(error)
        return type(error).__name__ + (": " + text if text else "")


print("== Generator")


def test():
    yield 1
    yield 2


gen = test()
print(type(gen))
print(next(gen))
print(next(gen))
print(last_line(lambda: next(gen)))

print("== Communicating with a generator")


def test():
    val = yield 1
    print(val)
    yield 2
    yield 3


gen = test()
print(next(gen))
print(gen.send("abc"))
print(next(gen))
print(last_line(lambda: gen.throw(Exception("!"))))

print("== Returning values from generators")


def test():
    yield 1
    return "abc"


gen = test()
print(next(gen))
try:
    next(gen)
except StopIteration as exc:
    print(exc.value)

print("== yield from")


def inner():
    inner_result = yield 2
    print("inner", inner_result)
    return 3


def outer():
    yield 1
    val = yield from inner()
    print("other", val)
    yield 4


gen = outer()
print(next(gen))
print(next(gen))
print(gen.send("abc"))
