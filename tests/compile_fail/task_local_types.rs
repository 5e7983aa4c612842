//! Keys whose values cannot follow `spawn`.

use std::rc::Rc;

struct NotClone;

filch::task_local! {
    #[inherit]
    static NOT_CLONE: NotClone;
    static NOT_INHERITED: NotClone;
    #[inherit]
    static NOT_SEND: Rc<u32>;
}

fn main() {
    NOT_INHERITED.sync_scope(NotClone, || ());
}
