//! What an operator calls. Records are made by the classes of `keycask._records`.

use std::path::PathBuf;
use std::sync::Mutex;

use keycask::ffi::census::{
    kc_check, kc_check_report, kc_next_user, kc_stats, kc_store_stats, kc_user_info, kc_user_walk,
};
use keycask::ffi::error::kc_error;
use keycask::ffi::objects::kc_store;
use keycask::ffi::operations::{
    kc_backup, kc_erase_user, kc_forget_versions, kc_restore_user, kc_rewrap, kc_rotate_user,
};
use keycask::ffi::status::{KC_E_BUFFER, KC_END, KC_OK, kc_status};
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::call::{c_text, slowly};
use crate::store::Store;
use crate::text;

/// A record of `keycask._records`.
fn record<'py>(py: Python<'py>, name: &str, fields: impl PyCallArgs<'py>) -> PyResult<Bound<'py, PyAny>> {
    py.import("keycask._records")?.getattr(name)?.call1(fields)
}

type OfUser = unsafe extern "C" fn(*mut kc_store, *const std::ffi::c_char, usize, *mut kc_error) -> kc_status;

impl Store {
    fn for_user(&self, py: Python, user: &Bound<PyString>, work: OfUser) -> PyResult<()> {
        let user = text::utf8(user, "user")?;
        let user = user.as_bytes();
        // SAFETY: `user` is valid for its length.
        slowly(py, |error| unsafe { work(self.0.get(), user.as_ptr().cast(), user.len(), error) })?;
        Ok(())
    }
}

#[pymethods]
impl Store {
    fn erase_user(&self, py: Python, user: &Bound<PyString>) -> PyResult<()> {
        self.for_user(py, user, kc_erase_user)
    }

    fn restore_user(&self, py: Python, user: &Bound<PyString>) -> PyResult<()> {
        self.for_user(py, user, kc_restore_user)
    }

    fn rotate_user(&self, py: Python, user: &Bound<PyString>) -> PyResult<()> {
        self.for_user(py, user, kc_rotate_user)
    }

    fn forget_versions(&self, py: Python, user: &Bound<PyString>) -> PyResult<()> {
        self.for_user(py, user, kc_forget_versions)
    }

    fn backup(&self, py: Python, location: PathBuf) -> PyResult<()> {
        let location = location.as_os_str().as_encoded_bytes();
        // SAFETY: `location` is valid for its length.
        slowly(py, |error| unsafe { kc_backup(self.0.get(), location.as_ptr().cast(), location.len(), error) })?;
        Ok(())
    }

    #[pyo3(signature = (*, step = 10_000))]
    fn rewrap(this: Py<Store>, step: u64) -> PyResult<Rewrap> {
        if step == 0 {
            return Err(PyValueError::new_err("step is 0: give how many keys are moved at once, at least 1"));
        }
        Ok(Rewrap { store: this, step, moved: Mutex::new((0, false)) })
    }

    fn users(this: Py<Store>) -> Users {
        let walk = kc_user_walk { size: size_of::<kc_user_walk>() as u32, begun: 0, place: [0; 4] };
        Users { store: this, walk: Mutex::new((walk, false)) }
    }

    fn check<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: all its fields are numbers, for which zeroes are a value.
        let mut report: kc_check_report = unsafe { std::mem::zeroed() };
        report.size = size_of::<kc_check_report>() as u32;
        let found = &mut report;
        // SAFETY: `report` is valid for the call.
        slowly(py, |error| unsafe { kc_check(self.0.get(), found, error) })?;
        let r = report;
        let first = (r.findings, c_text(&r.finding), r.users, r.good, r.damaged, r.unopened, r.versions);
        let keys = PyTuple::new(py, r.keys)?;
        let states = PyTuple::new(py, r.states)?;
        record(py, "report", (first, (r.damaged_others, r.erased, r.lacking), keys, states))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: all its fields are numbers, for which zeroes are a value.
        let mut stats: kc_store_stats = unsafe { std::mem::zeroed() };
        stats.size = size_of::<kc_store_stats>() as u32;
        let found = &mut stats;
        // SAFETY: `stats` is valid for the call.
        slowly(py, |error| unsafe { kc_stats(self.0.get(), found, error) })?;
        let s = stats;
        let counted = (s.cached_users, s.hits, s.misses, s.store_reads, s.commits, s.busy_waits, s.handles);
        let (cached_users, hits, misses, store_reads, commits, busy_waits, handles) = counted;
        record(
            py,
            "Stats",
            (cached_users, hits, misses, store_reads, commits, busy_waits, handles, s.locked_bytes, s.unlocked_bytes),
        )
    }
}

/// A rotation of the master key under way. Python's loop drives it, a step each.
#[pyclass(frozen, module = "keycask")]
pub struct Rewrap {
    store: Py<Store>,
    step: u64,
    /// How many keys were moved, and whether it has ended.
    moved: Mutex<(u64, bool)>,
}

#[pymethods]
impl Rewrap {
    fn __iter__(this: Py<Rewrap>) -> Py<Rewrap> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let store = &self.store.get().0;
        let counted = py.detach(|| {
            let mut moved = self.moved.lock().expect("nothing panics while it is held");
            if moved.1 {
                return Ok(None);
            }
            let (mut done, mut remaining, mut skipped) = (0, 0, 0);
            crate::call::directly(|error| {
                // SAFETY: the three numbers are valid for the call.
                unsafe { kc_rewrap(store.get(), self.step, &mut done, &mut remaining, &mut skipped, error) }
            })?;
            moved.0 += done;
            moved.1 = remaining == 0;
            Ok::<_, crate::call::Failure>(Some((moved.0, remaining, skipped)))
        })?;
        counted.map(|counted| record(py, "Progress", counted)).transpose()
    }
}

/// A walk over all users.
#[pyclass(frozen, module = "keycask")]
pub struct Users {
    store: Py<Store>,
    /// Where it stands, and whether it has ended.
    walk: Mutex<(kc_user_walk, bool)>,
}

#[pymethods]
impl Users {
    fn __iter__(this: Py<Users>) -> Py<Users> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let store = &self.store.get().0;
        let found = py.detach(|| {
            let mut walk = self.walk.lock().expect("nothing panics while it is held");
            if walk.1 {
                return Ok(None);
            }
            let mut name = vec![0u8; 4097];
            loop {
                // SAFETY: all its fields are numbers, for which zeroes are a value.
                let mut info: kc_user_info = unsafe { std::mem::zeroed() };
                info.size = size_of::<kc_user_info>() as u32;
                let mut len = 0;
                let status = crate::call::directly(|error| {
                    // SAFETY: the walk, the room for its capacity, the length and the info are valid for the call.
                    let status = unsafe {
                        kc_next_user(
                            store.get(),
                            &mut walk.0,
                            name.as_mut_ptr().cast(),
                            name.len(),
                            &mut len,
                            &mut info,
                            error,
                        )
                    };
                    if status == KC_E_BUFFER { KC_OK } else { status }
                })?;
                if len >= name.len() {
                    name = vec![0; len];
                } else if status == KC_END {
                    walk.1 = true;
                    return Ok(None);
                } else {
                    name.truncate(len);
                    return Ok::<_, crate::call::Failure>(Some((name, info)));
                }
            }
        })?;
        let Some((name, info)) = found else { return Ok(None) };
        let fields =
            (String::from_utf8_lossy(&name), info.key, info.master_key, info.versions, c_text(&info.created_at));
        record(py, "user", fields).map(Some)
    }
}
