//! Link arguments of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The SONAME carries the version of the C ABI alone: what is linked against it works with every library of that ABI.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libkeycask.so.1");
    // The library stays loaded after dlclose: threads may still leave through its thread-local state.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
