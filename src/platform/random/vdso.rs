//! Nonces by the vDSO's getrandom (Linux 6.11 and later; the kernel's `lib/vdso/getrandom.c`): its generator without the
//! system call. Each thread has a state. The kernel wipes it in a child, may drop it when memory is short, and has it
//! seeded anew from time to time, and when the kernel learns that its machine was cloned.

use std::ffi::{c_int, c_uint, c_void};
use std::mem;
use std::ptr;

use once_cell::race::OnceBox;

use super::NONCE_SIZE;
use crate::platform::mapping;
use crate::platform::thread_slots::{Slots, ThreadSlot};

type GetRandom = unsafe extern "C" fn(*mut c_void, usize, c_uint, *mut c_void, usize) -> isize;

/// The function, and what memory it wants for a state.
struct Vdso {
    get_random: GetRandom,
    state: Parameters,
}

#[repr(C)]
#[derive(Default)]
struct Parameters {
    size: u32,
    protection: u32,
    flags: u32,
    reserved: [u32; 13],
}

static FOUND: OnceBox<Vdso> = OnceBox::new();
static STATES: Slots = Slots::new();

thread_local! {
    static STATE: ThreadSlot = const { ThreadSlot::new(&STATES) };
}

/// Looks for the function, and says whether it is there.
pub(super) fn find() -> bool {
    FOUND.get_or_try_init(|| Vdso::look().map(Box::new).ok_or(())).is_ok()
}

impl Vdso {
    fn look() -> Option<Vdso> {
        // SAFETY: the names are literals that end in a NUL; RTLD_NOLOAD loads nothing.
        let found = unsafe {
            let vdso = libc::dlopen(c"linux-vdso.so.1".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            if vdso.is_null() {
                return None;
            }
            libc::dlvsym(vdso, c"__vdso_getrandom".as_ptr(), c"LINUX_2.6".as_ptr())
        };
        if found.is_null() {
            return None;
        }
        // SAFETY: this is the signature of the function that the vDSO has under this name and version, for ever.
        let get_random = unsafe { mem::transmute::<*mut c_void, GetRandom>(found) };
        let mut state = Parameters::default();
        // SAFETY: a length of usize::MAX asks for the parameters, written to where the state would be.
        let refused = unsafe { get_random(ptr::null_mut(), 0, 0, (&raw mut state).cast(), usize::MAX) };
        let usable = refused == 0 && (1..=mapping::page_size()).contains(&(state.size as usize));
        usable.then_some(Vdso { get_random, state })
    }
}

/// A nonce by this thread's state. Nothing: there is no memory for one, or the function failed.
#[inline]
pub(super) fn nonce() -> Option<[u8; NONCE_SIZE]> {
    let vdso = FOUND.get()?;
    let size = vdso.state.size as usize;
    STATE
        .try_with(|state| {
            let state = state.memory(size, || {
                mapping::anonymous(mapping::page_size(), vdso.state.protection as c_int, vdso.state.flags as c_int)
            })?;
            let mut nonce = [0; NONCE_SIZE];
            // SAFETY: the nonce is ours to be filled. The state is memory as the function asked for: of its size, mapped
            // as it said, within one page, zero when fresh, and this thread's alone.
            let got = unsafe { (vdso.get_random)(nonce.as_mut_ptr().cast(), NONCE_SIZE, 0, state.cast(), size) };
            (got == NONCE_SIZE as isize).then_some(nonce)
        })
        .ok()?
}
