//! What is done with garbage, and what must hold then. Each target is a function of bytes.

mod calls;
mod master_key;
mod store;
mod token;

pub use calls::calls;
pub use master_key::master_key;
pub use store::store;
pub use token::token;

/// The targets, by the names of their corpora.
pub const TARGETS: [(&str, fn(&[u8])); 4] =
    [("token", token), ("master_key", master_key), ("calls", calls), ("store", store)];

/// A status that the header knows: nothing but what it names ever comes, and no defect of keycask's own.
fn assert_known(status: i32) {
    assert!((-21..=2).contains(&status), "status {status}");
}
