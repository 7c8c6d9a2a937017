//! Which process this is, and how a fork leaves its child with nothing that only works in the parent.
//!
//! Around every fork of libc's, keycask waits until its threads are out of the sections that must not be cut (80 ms at
//! most), and the child closes keycask's descriptors. A child that skipped this, made by a raw `clone`, is told by a page
//! that the kernel wipes in it.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a fork waits for sections to end.
const FORK_PATIENCE: Duration = Duration::from_millis(80);
/// How long a thread sleeps between two looks.
const PAUSE: Duration = Duration::from_micros(50);

/// How many times this process's line has forked since keycask was loaded. A child's number differs from its parent's.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The generation of this process, to be kept beside what belongs to it.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

// --- sections -------------------------------------------------------------------------------------------------------

static SECTIONS: AtomicUsize = AtomicUsize::new(0);
static FORKING: AtomicBool = AtomicBool::new(false);

/// A piece of work that a fork waits for: it holds locks, or changes what a child would find half changed.
pub(crate) struct Section(());

impl Section {
    /// Begins one; while a fork is under way, after it.
    pub(crate) fn begin() -> Section {
        watch_forks();
        loop {
            SECTIONS.fetch_add(1, Ordering::SeqCst);
            // In a process that was cloned in the middle of a fork nobody ends it.
            if !FORKING.load(Ordering::SeqCst) || is_unknown() {
                return Section(());
            }
            SECTIONS.fetch_sub(1, Ordering::SeqCst);
            while FORKING.load(Ordering::SeqCst) {
                std::thread::sleep(PAUSE);
            }
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        SECTIONS.fetch_sub(1, Ordering::SeqCst);
    }
}

// --- the fork itself ------------------------------------------------------------------------------------------------

/// What the storage engine does around a fork: holds its own locks, so that a child does not inherit them held by threads
/// that it does not have.
pub(crate) struct EngineLocks {
    pub(crate) hold: fn(),
    pub(crate) release: fn(),
}

static ENGINE: AtomicPtr<EngineLocks> = AtomicPtr::new(ptr::null_mut());

/// Has the engine's locks held over every fork from now on.
pub(crate) fn hold_over_forks(locks: &'static EngineLocks) {
    watch_forks();
    ENGINE.store(ptr::from_ref(locks).cast_mut(), Ordering::Release);
}

fn engine() -> Option<&'static EngineLocks> {
    // SAFETY: NULL, or made from a 'static reference in `hold_over_forks`.
    unsafe { ENGINE.load(Ordering::Acquire).as_ref() }
}

fn watch_forks() {
    static HANDLERS: Once = Once::new();
    HANDLERS.call_once(|| {
        mark_process();
        // SAFETY: the handlers are functions of this library, which stays loaded (-z nodelete).
        unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) };
    });
}

extern "C" fn before_fork() {
    // One fork after the other: the engine's locks are held by the thread that forks.
    while FORKING.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        std::thread::sleep(PAUSE);
    }
    let started = Instant::now();
    while SECTIONS.load(Ordering::SeqCst) > 0 && started.elapsed() < FORK_PATIENCE {
        std::thread::sleep(PAUSE);
    }
    if let Some(engine) = engine() {
        (engine.hold)();
    }
}

extern "C" fn after_fork_in_parent() {
    if let Some(engine) = engine() {
        (engine.release)();
    }
    FORKING.store(false, Ordering::SeqCst);
}

/// Runs where no other thread exists and any lock may be held for ever: it takes none, and makes only calls that are safe in
/// a signal handler.
extern "C" fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    close_descriptors();
    super::secret_memory::lock_again_in_child();
    if let Some(engine) = engine() {
        (engine.release)();
    }
    SECTIONS.store(0, Ordering::SeqCst);
    FORKING.store(false, Ordering::SeqCst);
    if let Some(mark) = mark() {
        mark.store(1, Ordering::Release);
    }
}

// --- a child that libc knows nothing of -----------------------------------------------------------------------------

/// 1 in a process that keycask knows; on a page that the kernel wipes in every child.
static MARK: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

fn mark() -> Option<&'static AtomicU64> {
    // SAFETY: NULL, or the page that `mark_process` mapped and nobody unmaps.
    unsafe { MARK.load(Ordering::Acquire).as_ref() }
}

fn mark_process() {
    if let Ok(page) = super::mapping::wiped_on_fork() {
        // SAFETY: the page is fresh, ours, zero, writable, aligned, and stays.
        let mark = unsafe { &*page.cast::<AtomicU64>() };
        mark.store(1, Ordering::Release);
        MARK.store(page.cast(), Ordering::Release);
    }
}

/// Whether this process was made without the work around a fork, by a raw `clone`.
pub(crate) fn is_unknown() -> bool {
    mark().is_some_and(|mark| mark.load(Ordering::Acquire) == 0)
}

/// What belongs to an earlier generation than this was not made ready for the processes that came after it.
static CUT_BEFORE: AtomicU64 = AtomicU64::new(0);

/// Makes an unknown process known: what its parent had is never used again here.
pub(crate) fn adopt() {
    if is_unknown() {
        after_fork_in_child();
        CUT_BEFORE.store(generation(), Ordering::Release);
    }
}

/// Whether what belongs to `generation` was inherited through a bare clone.
pub(crate) fn was_cut(generation: u64) -> bool {
    generation < CUT_BEFORE.load(Ordering::Acquire)
}

// --- descriptors ----------------------------------------------------------------------------------------------------

/// Descriptors below this can be kept from children. It is what Linux allows a process unless told otherwise.
const MOST_DESCRIPTORS: usize = 1 << 20;

/// The descriptors that a child closes, a bit each, and the number of words in use.
static CLOSED_IN_CHILDREN: [AtomicU64; MOST_DESCRIPTORS / 64] = [const { AtomicU64::new(0) }; MOST_DESCRIPTORS / 64];
static WORDS: AtomicUsize = AtomicUsize::new(0);

/// Has `descriptor` closed at once in every child: else the child would keep its locks alive.
pub(crate) fn close_in_children(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    watch_forks();
    let number = descriptor.as_raw_fd() as usize;
    if number >= MOST_DESCRIPTORS {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    WORDS.fetch_max(number / 64 + 1, Ordering::AcqRel);
    CLOSED_IN_CHILDREN[number / 64].fetch_or(1 << (number % 64), Ordering::AcqRel);
    Ok(())
}

/// To be called before a descriptor is closed: its number may be another file's next.
pub(crate) fn forget_in_children(descriptor: BorrowedFd<'_>) {
    let number = descriptor.as_raw_fd() as usize;
    CLOSED_IN_CHILDREN[number / 64].fetch_and(!(1 << (number % 64)), Ordering::AcqRel);
}

fn close_descriptors() {
    let words = WORDS.load(Ordering::Acquire);
    for (at, word) in CLOSED_IN_CHILDREN[..words].iter().enumerate() {
        let mut bits = word.swap(0, Ordering::AcqRel);
        while bits != 0 {
            let number = at * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            // SAFETY: the bit says that the descriptor is one of ours and open; whoever owned its number finds another
            // generation, and does not use it.
            unsafe { libc::close(number as libc::c_int) };
        }
    }
}

/// Sees to it that descriptors 0 to 2 are taken, so that no file of ours becomes one: what a program prints would go there.
pub(crate) fn occupy_standard_descriptors() {
    for number in 0..3 {
        // SAFETY: F_GETFD asks about any number, open or not.
        if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
            // SAFETY: the path is a literal that ends in a NUL. The lowest free descriptor is `number`; it stays open on
            // purpose.
            unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
        }
    }
}

// --- values that every process has of its own ------------------------------------------------------------------------

/// A value of which every process has its own. A forked child begins with a new one and never looks at the parent's, whose
/// locks may have been held by threads that the child does not have.
pub(crate) struct PerProcess<T> {
    /// The value of the last process that asked, and behind it those of its parents.
    current: AtomicPtr<Owned<T>>,
    make: fn() -> T,
}

struct Owned<T> {
    process: u64,
    value: ManuallyDrop<T>,
    parents: *mut Owned<T>,
}

// SAFETY: the values are shared between threads by reference, and dropped by whoever has `self`.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for PerProcess<T> {}

impl<T: Send + Sync> PerProcess<T> {
    pub(crate) const fn new(make: fn() -> T) -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()), make }
    }

    pub(crate) fn get(&self) -> &T {
        loop {
            let found = self.current.load(Ordering::Acquire);
            // SAFETY: `current` is NULL or what a Box was made into below; that is freed only with `self`.
            if let Some(owned) = unsafe { found.as_ref() }
                && owned.process == generation()
            {
                return &owned.value;
            }
            let made = Box::into_raw(Box::new(Owned {
                process: generation(),
                value: ManuallyDrop::new((self.make)()),
                parents: found,
            }));
            match self.current.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: as above.
                Ok(_) => return unsafe { &(*made).value },
                Err(_) => {
                    // SAFETY: another thread was faster, and `made` was never shared.
                    let unused = unsafe { Box::from_raw(made) };
                    drop(ManuallyDrop::into_inner(unused.value));
                }
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let mut next = *self.current.get_mut();
        while !next.is_null() {
            // SAFETY: each was made by Box::into_raw in `get`; nobody else has `self` any more, so each is taken back once.
            let owned = unsafe { Box::from_raw(next) };
            next = owned.parents;
            if owned.process == generation() {
                drop(ManuallyDrop::into_inner(owned.value));
            }
            // A parent's value is left as it is: whoever was changing it does not exist here.
        }
    }
}
