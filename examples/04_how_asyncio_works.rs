//! How asyncio works, alive: generators, coroutines, futures, tasks, and the way of a few bytes through all of them.
//!
//! It prints the lines of the four generator programs in the article "How does asyncio work?", and then the seven steps of
//! its `recv()`, each by the mechanism that does it.
//!
//! ```text
//! cargo run --example 04_how_asyncio_works
//! ```

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};

use filch::Promise;
use filch::generator::{Coroutine, Generator, Stop, Thrown, Yielder};
use filch::io::{Direction, Interest, Source};
use filch::runtime::{Builder, Handle};

fn main() -> io::Result<()> {
    show(&Out::new(|line| println!("{line}")))
}

/// Where lines go.
#[derive(Clone)]
pub(crate) struct Out(Arc<dyn Fn(String) + Send + Sync>);

impl Out {
    pub(crate) fn new(print: impl Fn(String) + Send + Sync + 'static) -> Out {
        Out(Arc::new(print))
    }

    fn print(&self, line: impl fmt::Display) {
        (self.0)(line.to_string());
    }

    /// What a generator yielded, or what stopped it, as Python's last line of a traceback says it.
    fn print_step<Y: fmt::Display, R>(&self, step: Result<Y, Stop<R>>) {
        match step {
            Ok(value) => self.print(value),
            Err(stop) => self.print(stop),
        }
    }

    fn print_on_thread(&self, line: &str) {
        let thread = std::thread::current();
        self.print(format!("{line} [{}]", thread.name().unwrap_or("?")));
    }
}

pub(crate) fn show(out: &Out) -> io::Result<()> {
    out.print("== Generator");
    generator(out);
    out.print("== Communicating with a generator");
    communicating(out);
    out.print("== Returning values from generators");
    returning(out);
    out.print("== yield from");
    yield_from(out);
    out.print("== Method chain again, in case of recv()");
    recv_chain(out)
}

fn generator(out: &Out) {
    let test = || {
        Generator::new(async |co: Yielder<i32>| {
            co.yield_(1).await?;
            co.yield_(2).await?;
            Ok(())
        })
    };

    let generator = test();
    out.print(class_of(&generator));
    out.print_step(generator.next());
    out.print_step(generator.next());
    out.print_step(generator.next());
}

/// As `type` of Python says it.
fn class_of<T>(_: &T) -> String {
    let path = std::any::type_name::<T>().split('<').next();
    let name = path.and_then(|path| path.rsplit("::").next());
    format!("<class '{}'>", name.unwrap_or_default().to_lowercase())
}

fn communicating(out: &Out) {
    let test = || {
        Generator::new(async |co: Yielder<i32, &str>| {
            let val = co.yield_(1).await?;
            out.print(val.unwrap_or("None"));
            co.yield_(2).await?;
            co.yield_(3).await?;
            Ok(())
        })
    };

    let generator = test();
    out.print_step(generator.next());
    out.print_step(generator.send("abc"));
    out.print_step(generator.next());
    out.print_step(generator.throw(Exception("!")));
}

#[derive(Debug)]
struct Exception(&'static str);

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exception: {}", self.0)
    }
}

impl std::error::Error for Exception {}

fn returning(out: &Out) {
    let test = || {
        Generator::new(async |co: Yielder<i32>| {
            co.yield_(1).await?;
            Ok("abc")
        })
    };

    let generator = test();
    out.print_step(generator.next());
    if let Err(Stop::Returned(value)) = generator.next() {
        out.print(value);
    }
}

fn yield_from(out: &Out) {
    let inner = || {
        Generator::new(async |co: Yielder<i32, &str>| {
            let inner_result = co.yield_(2).await?.unwrap_or("None");
            out.print(format!("inner {inner_result}"));
            Ok(3)
        })
    };
    let outer = || {
        Generator::new(async |co: Yielder<i32, &str>| {
            co.yield_(1).await?;
            let val = co.yield_from(inner()).await?;
            out.print(format!("other {val}"));
            co.yield_(4).await?;
            Ok::<_, Thrown>(())
        })
    };

    let generator = outer();
    out.print_step(generator.next());
    out.print_step(generator.next());
    out.print_step(generator.send("abc"));
}

/// A socket pair; a task whose coroutine waits for bytes from one end, and bytes into the other.
fn recv_chain(out: &Out) -> io::Result<()> {
    let (here, mut there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;

    let waits = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let (hook_out, hook_waits) = (out.clone(), waits.clone());
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_park(move || {
            // The one worker goes to sleep, in the poller, because the one task waits.
            if hook_waits.swap(false, Ordering::SeqCst) {
                hook_out.print_on_thread("1. select.select waits.");
                let _ = tell.send(());
            }
        })
        .build()?;

    let entered = rt.enter();
    let source = Arc::new(Source::new(here)?);
    let user = outer(Recv {
        source,
        waits,
        out: out.clone(),
    });
    let task = Task::create(user, out.clone(), rt.handle().clone());
    drop(entered);

    let waited = told.recv();
    waited.map_err(io::Error::other)?;
    there.write_all(b"hello")?;
    match rt.block_on(task.wait()) {
        Ok(Ok(data)) => out.print(format!(
            "recv() returned {:?}",
            String::from_utf8_lossy(&data)
        )),
        Ok(Err(error)) => return Err(error.into()),
        Err(error) => return Err(io::Error::other(error.to_string())),
    }
    Ok(())
}

type Data = Result<Vec<u8>, io::ErrorKind>;

/// The coroutine of the task: it awaits another, which awaits the innermost.
async fn outer(recv: Recv) -> Data {
    recv.inner().await
}

struct Recv {
    source: Arc<Source<UnixStream>>,
    waits: Arc<AtomicBool>,
    out: Out,
}

impl Recv {
    async fn inner(self) -> Data {
        // "The socket first checks whether there is data that can be read at once."
        match read(&self.source) {
            Err(io::ErrorKind::WouldBlock) => {}
            done => return done,
        }
        // It would block: "`await` makes a new future object and ties it to the socket."
        let future = Promise::new();
        Arc::new(Reader {
            source: self.source.clone(),
            future: future.clone(),
            out: self.out.clone(),
        })
        .register();
        self.waits.store(true, Ordering::SeqCst);
        let data = future.await;
        let line = "7. Data is being read from the buffer and returned to our humble user.";
        self.out.print_on_thread(line);
        data.unwrap_or(Err(io::ErrorKind::Interrupted))
    }
}

fn read(source: &Source<UnixStream>) -> Data {
    let mut buffer = vec![0; 64];
    let moved = source.try_io(Interest::READABLE, |mut socket| socket.read(&mut buffer));
    buffer.truncate(moved.map_err(|error| error.kind())?);
    Ok(buffer)
}

/// What is to be done when the socket is ready: asyncio's reader callback. The reactor calls it as a waker.
struct Reader {
    source: Arc<Source<UnixStream>>,
    future: Promise<Data, String>,
    out: Out,
}

impl Reader {
    fn register(self: Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut context = Context::from_waker(&waker);
        if self
            .source
            .poll_ready(&mut context, Direction::Read)
            .is_ready()
        {
            waker.wake();
        }
    }
}

impl Wake for Reader {
    fn wake(self: Arc<Self>) {
        let out = self.out.clone();
        out.print_on_thread("2. A ready socket, with data is returned.");
        let data = read(&self.source);
        if data == Err(io::ErrorKind::WouldBlock) {
            // It was woken for nothing.
            return self.register();
        }
        out.print_on_thread("3. Data from the socket is moved into a buffer.");
        out.print_on_thread("4. future.set_result() is called.");
        // It fails if nobody wants the data any more.
        let _ = self.future.set_result(data);
    }
}

/// asyncio's task: it drives a coroutine, and is woken by what that waits for.
struct Task {
    coroutine: Mutex<Coroutine<Pin<Box<dyn Future<Output = Data> + Send>>>>,
    outcome: Promise<Data, String>,
    out: Out,
    event_loop: Handle,
}

impl Task {
    fn create(
        coroutine: impl Future<Output = Data> + Send + 'static,
        out: Out,
        event_loop: Handle,
    ) -> Promise<Data, String> {
        let task = Arc::new(Task {
            coroutine: Mutex::new(Coroutine::new(Box::pin(coroutine))),
            outcome: Promise::new(),
            out,
            event_loop: event_loop.clone(),
        });
        let outcome = task.outcome.clone();
        event_loop.spawn(async move { task.step() });
        outcome
    }

    /// Lets the coroutine run to its next wait, and has itself called when that is over.
    fn step(self: Arc<Self>) {
        let sent = match self.coroutine.lock() {
            Ok(mut coroutine) => coroutine.send(()),
            Err(_panicked) => return,
        };
        match sent {
            Ok(awaited) => awaited.add_done_callback(move || self.wake_up()),
            Err(stop) => drop(stop.value().map(|data| self.outcome.set_result(data))),
        }
    }

    /// On the stack of whoever sets the future: it does no more than `call_soon`.
    fn wake_up(self: Arc<Self>) {
        let out = self.out.clone();
        out.print_on_thread("5. Task that added itself with add_done_callback() is now woken up.");
        self.event_loop.clone().spawn(async move {
            out.print_on_thread(
                "6. Task calls .send() on the coroutine which goes all the way into the inner-most coroutine and \
                 wakes it up.",
            );
            self.step();
        });
    }
}
