//! Branches that `select!` cannot read.

use std::future::ready;

async fn no_branch() {
    filch::select! {}
    filch::select! { biased; }
}

async fn pattern() {
    filch::select! { ready(()) => {} }
    filch::select! { async {} => {} }
    filch::select! { x == ready(()) => {} }
    filch::select! { x }
}

async fn future() {
    filch::select! { x = => {} }
    filch::select! { x = }
    filch::select! { x = ready(()) }
    filch::select! { x = ready(()), {} }
    filch::select! { x = ready(()) y => {} }
}

async fn precondition() {
    filch::select! { x = ready(()) if true => {} }
    filch::select! { x = ready(()), if true {} }
    filch::select! { x = ready(()), if let Some(_) = None::<()> => {} }
    filch::select! { x = ready(()), if => {} }
}

async fn handler() {
    filch::select! { x = ready(()) => }
    filch::select! { x = ready(()) => x y = ready(()) => y }
    filch::select! { x = ready(()) => match x { () => {} } y = ready(()) => y }
}

async fn otherwise() {
    filch::select! { x = ready(()) => {} else = ready(()) => {} }
    filch::select! { x = ready(()) => {} else, if true => {} }
    filch::select! { x = ready(()) => {} else }
    filch::select! { else => {}, x = ready(()) => {} }
    filch::select! { x = ready(()) => {} else => {} else => {} }
}

async fn biased() {
    filch::select! { x = ready(()) => {} biased; y = ready(()) => {} }
}

async fn branch_65() {
    macro_rules! select_all {
        ($($number:literal)*) => { filch::select! { $($number = ready(1) => $number,)* } };
    }
    select_all!(
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33
        34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
        64 65
    );
}

fn main() {}
