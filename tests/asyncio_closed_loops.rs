//! Who waits for a task of another loop is not left behind when that loop is closed.

use std::future::pending;

use filch::EventLoop;
use filch::asyncio;

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::ms;
use common::{bounded, multi};

#[test]
fn who_gathers_or_shields_a_task_of_another_loop_hears_that_it_is_closed() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let (here, there) = (EventLoop::new(), EventLoop::new());
        there.set_exception_handler(|_| {});
        let task = there.create_task(pending::<u8>());
        let (gathered, shielded, waited) = (task.clone(), task.clone(), task);
        here.call_later(ms(1), move || there.close());
        let outcome = here.run_until_complete(async move {
            let shield = asyncio::create_task(async move { asyncio::shield(shielded).await });
            let wait = asyncio::create_task(async move {
                let all = asyncio::ReturnWhen::AllCompleted;
                asyncio::wait([waited], None, all).await.done.len()
            });
            let gathered = asyncio::gather([gathered]).await;
            (
                gathered.is_err(),
                shield.await.unwrap().is_err(),
                wait.await,
            )
        });
        assert_eq!(outcome.unwrap(), (true, true, Ok(1)));
    });
}
