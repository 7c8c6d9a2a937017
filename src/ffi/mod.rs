//! The C ABI. `include/keycask.h` is made from these files and their comments, by `tests/header.rs`.
//!
//! - `front_page.h`: the header's first page, written by hand
//! - [`status`], [`error`], [`lengths`], [`objects`], [`options`], [`call`]: its types and constants
//! - [`library`], [`store`], [`secrets`], [`keys`], [`master_key`], [`operations`], [`census`]: its functions, of a few lines
//!   each, without logic
//! - `boundary`: every cast of a pointer, every check of an argument, the panic guard
//! - `handles`: the tickets that C holds in place of pointers

// What a caller must keep to is said once, on the header's first page, for all functions.
#![allow(clippy::missing_safety_doc)]
#![allow(non_camel_case_types)]

mod boundary;
mod handles;

pub mod call;
pub mod census;
pub mod error;
pub mod keys;
pub mod lengths;
pub mod library;
pub mod master_key;
pub mod objects;
pub mod operations;
pub mod options;
pub mod secrets;
pub mod status;
pub mod store;
