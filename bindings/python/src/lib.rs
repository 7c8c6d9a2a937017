//! keycask for Python: the C ABI as the module `keycask._keycask`. What a program imports is in `keycask/`.
//!
//! - `call`: a call of the library, with and without Python's lock, and its failure as a Python exception
//! - `text`: Python's strings and bytes, in and out
//! - `store`, `key`: the two classes
//! - `operations`: what an operator calls, and the records of what was found
//! - `functions`: those of the module

#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod call;
mod functions;
mod key;
mod operations;
mod store;
mod text;

#[pyo3::pymodule]
mod _keycask {
    #[pymodule_export]
    use crate::functions::{
        decode_master_key, decrypt_under, encrypt_under, generate_master_key, handle_count, hash_api_key, is_encrypted,
        master_key_from_environment, previous_master_keys_from_environment, version,
    };
    #[pymodule_export]
    use crate::key::Key;
    #[pymodule_export]
    use crate::operations::{Rewrap, Users};
    #[pymodule_export]
    use crate::store::Store;
}
