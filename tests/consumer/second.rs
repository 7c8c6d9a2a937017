//! Another Rust library in the same program: it allocates, panics and catches it, with a standard library of its own.

#[unsafe(no_mangle)]
pub extern "C" fn second_sum(left: i32, right: i32) -> i32 {
    std::panic::catch_unwind(|| vec![left, right].into_iter().map(|n| if n < 0 { panic!("negative") } else { n }).sum())
        .unwrap_or(-1)
}
