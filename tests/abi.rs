//! The layout of public structs is the one that `abi/layout.txt` keeps, which is C's of the header (`scripts/abi.py`).

#![cfg(feature = "capi")]

use std::mem::{offset_of, size_of};

use keycask::ffi::{call, census, error, options};

fn size_of_field<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! layout {
    ($($module:ident::$name:ident: $($field:ident)*;)*) => {
        [$(
            format!("{} {}", stringify!($name), size_of::<$module::$name>()),
            $(format!(
                "{}.{} {} {}",
                stringify!($name),
                stringify!($field),
                offset_of!($module::$name, $field),
                size_of_field(|whole: &$module::$name| &whole.$field)
            ),)*
        )*]
    };
}

#[test]
fn rust_lays_out_every_public_struct_as_c_does() {
    let here = layout! {
        error::kc_error: status os_error engine_error reserved message;
        options::kc_options: size flags busy_timeout_ms cache_users;
        call::kc_call: size flags associated_data associated_data_len;
        census::kc_check_report: size findings users good damaged unopened versions damaged_others erased lacking keys
            states finding;
        census::kc_user_walk: size begun place;
        census::kc_user_info: size key master_key reserved versions created_at;
        census::kc_store_stats: size reserved cached_users hits misses store_reads commits busy_waits handles locked_bytes unlocked_bytes;
    };
    assert_eq!(here.join("\n") + "\n", include_str!("../abi/layout.txt"));
}
