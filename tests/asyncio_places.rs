//! Where a task, a timer or a call was made is the line of whoever made it, whatever made it for him.

use std::future::pending;
use std::panic::Location;
use std::time::Duration;

use filch::asyncio::{
    ReturnWhen, Timeout, as_completed, create_task, current_task, ensure_future, gather,
    gather_outcomes, get_running_loop, open_connection, shield, start_server, timeout, timeout_at,
    to_thread, wait, wait_for,
};
use filch::{EventLoop, Promise};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{in_task, ms, on_loops, panic_of, run_briefly, told};

type Place = &'static Location<'static>;

/// Where the current task was made.
async fn place() -> Place {
    current_task().unwrap().made_at()
}

#[track_caller]
fn assert_here(place: Place) {
    let here = Location::caller();
    assert_eq!((place.file(), place.line()), (here.file(), here.line()));
}

#[test]
#[rustfmt::skip]
fn tasks() {
    in_task(|| async {
        assert_here(create_task(place()).await.unwrap());
        assert_here(ensure_future(place()).await.unwrap());
        assert_here(gather([place()]).await.unwrap()[0]);
        assert_here(gather_outcomes([place()]).await.unwrap()[0].clone().unwrap());
        assert_here(shield(place()).await.unwrap());
        assert_here(wait_for(place(), None).await.unwrap().unwrap());
        assert_here(wait_for(place(), Some(Duration::from_secs(60))).await.unwrap().unwrap());
        assert_here(as_completed([place()], None).next().await.unwrap().unwrap().await.unwrap());
        let on = get_running_loop().unwrap();
        assert_here(on.create_task(place()).await.unwrap());
        assert_here(on.build_task().name("tea").create(place()).await.unwrap());
    });
}

#[test]
#[rustfmt::skip]
fn main_tasks() {
    on_loops(|event_loop| assert_here(event_loop.run_until_complete(place()).unwrap()));
    common::bounded(|| {
        assert_here(filch::asyncio::run(place()).unwrap());
        assert_here(filch::asyncio::Runner::new().run(place()).unwrap());
        assert_here(EventLoop::new().run_until_complete(place()).unwrap());
    });
}

#[test]
#[rustfmt::skip]
fn work_of_other_threads() {
    in_task(|| async {
        fn fail() { panic!("no tea") }
        let (error, here) = (to_thread(fail).await.unwrap_err(), Location::caller());
        let text = error.to_string();
        assert!(text.contains(&format!("{}:{}", here.file(), here.line())), "{text}");
        let on = get_running_loop().unwrap();
        assert_here(on.run_in_executor(|| ()).made_at());
    });
}

#[test]
#[rustfmt::skip]
fn panics_of_bad_calls() {
    fn told_here(text: &str, line: u32) -> bool {
        text == format!("{}:{line}", file!())
    }
    common::bounded(|| {
        let place: std::sync::Arc<std::sync::Mutex<String>> = Default::default();
        let into = place.clone();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let at = info.location().unwrap();
            *into.lock().unwrap() = format!("{}:{}", at.file(), at.line());
        }));
        let none = || Vec::<Promise<(), ()>>::new();
        panic_of(|| drop(wait(none(), None, ReturnWhen::AllCompleted)));
        let line = line!() - 1;
        assert!(told_here(&place.lock().unwrap(), line), "{place:?}");
        panic_of(|| drop(gather(none())));
        let line = line!() - 1;
        assert!(told_here(&place.lock().unwrap(), line), "{place:?}");
        std::panic::set_hook(before);
    });
}

/// The callback of a timer, which is told of if it is slow.
#[test]
#[rustfmt::skip]
fn timers() {
    on_loops(|event_loop| {
        let told = told(&event_loop);
        event_loop.set_debug(true);
        event_loop.set_slow_callback_duration(Duration::ZERO);
        let line = event_loop.run_until_complete(async {
            let line = line!();
            timeout(Some(ms(1)), pending::<()>()).await.unwrap_err();
            timeout_at(Some(filch::time::Instant::now() + ms(1)), pending::<()>()).await.unwrap_err();
            wait_for(pending::<()>(), Some(ms(1))).await.unwrap_err();
            Timeout::at(Some(filch::time::Instant::now() + ms(1))).run(pending::<()>()).await.unwrap_err();
            wait([create_task(pending::<()>())], Some(ms(1)), ReturnWhen::AllCompleted).await;
            as_completed([pending::<()>()], Some(ms(1))).next().await.unwrap().unwrap_err();
            line
        }).unwrap();
        let told: Vec<_> = told.take().iter().map(|context| context.message().to_owned()).collect();
        for n in 1..=6 {
            let place = format!("<Handle created at {}:{}:", file!(), line + n);
            assert!(told.iter().any(|message| message.contains(&place)), "{place} in {told:#?}");
        }
    });
}

/// The tasks that serve clients are made where the server is.
#[test]
fn servers() {
    on_loops(|event_loop| {
        let (said, line) = event_loop
            .run_until_complete(async {
                let serve = |_, writer: filch::asyncio::StreamWriter| async move {
                    writer.write(place().await.to_string().as_bytes());
                };
                let server = start_server(serve, "127.0.0.1:0").await.unwrap();
                let line = line!() - 1;
                let (reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
                (reader.read_to_end().await.unwrap(), line)
            })
            .unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with(&format!("{}:{line}:", file!())), "{said}");
        run_briefly(&event_loop);
    });
}
