//! Keys with a value, as `thread_local!` has them.

filch::task_local! {
    static WITH_A_VALUE: u32 = 1;
    pub static FINE: u32;
    static LAST: Vec<u8> = const { Vec::new() }
}

fn main() {
    FINE.sync_scope(1, || ());
    // That is all there is to say: the keys are there.
    WITH_A_VALUE.sync_scope(1, || ());
    LAST.sync_scope(Vec::new(), || ());
}
