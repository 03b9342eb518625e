//! SQLite's own VFS, with a log that puts pieces together.
#![allow(unsafe_code, reason = "SQLite takes a VFS as C structures only")]

use std::ffi::{CStr, c_int, c_void};
use std::mem::{align_of, size_of};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use rusqlite::ffi::{
    SQLITE_CANTOPEN, SQLITE_IOERR, SQLITE_IOERR_FSYNC, SQLITE_OK, SQLITE_OPEN_WAL, sqlite3_file, sqlite3_filename,
    sqlite3_int64, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find, sqlite3_vfs_register,
};
use rusqlite::{Connection, OpenFlags};

use crate::merge::{Below, Merge};

const NAME: &CStr = c"switchhook-wal";

/// Opens a database whose log is written a commit at a time. For the connection that writes; a database without a log is
/// written as SQLite writes it. A transaction stays in memory until it is committed: one that is larger turns `cache_spill`
/// on, and has the log folded afterwards, however it ended.
pub fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    register()?;
    let conn = Connection::open_with_flags_and_vfs(path, flags, NAME)?;
    // SQLite would write pages of a large transaction early. Some of them would still be held back when it is undone and
    // another program writes in their place, or be lost without an end to the transaction where the disk is full.
    conn.pragma_update(None, "cache_spill", false)?;
    Ok(conn)
}

/// SQLite's own VFS for files of this system. It is never taken back.
struct Base(NonNull<sqlite3_vfs>);

// SAFETY: SQLite's VFS is for use by any thread, and nothing here changes it.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

static BASE: OnceLock<Result<Base, c_int>> = OnceLock::new();

fn register() -> rusqlite::Result<()> {
    match BASE.get_or_init(make) {
        Ok(_) => Ok(()),
        Err(code) => Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(*code), None)),
    }
}

/// Makes the VFS known: a copy of SQLite's own, but for how a file is opened and how large it is in memory.
fn make() -> Result<Base, c_int> {
    // SAFETY: no name means the default; SQLite starts itself if need be.
    let base = NonNull::new(unsafe { sqlite3_vfs_find(ptr::null()) }).ok_or(SQLITE_CANTOPEN)?;
    // SAFETY: what SQLite has registered is valid for as long as the program runs.
    let mut own = unsafe { *base.as_ptr() };
    own.szOsFile += size_of::<Log>() as c_int;
    own.zName = NAME.as_ptr();
    own.pNext = ptr::null_mut();
    own.xOpen = Some(open_file);
    // SAFETY: it is a whole VFS, it is never moved or freed, and its other functions are those of the base, which take
    // from their first argument nothing but what the copy has, too.
    match unsafe { sqlite3_vfs_register(Box::into_raw(Box::new(own)), 0) } {
        SQLITE_OK => Ok(Base(base)),
        code => Err(code),
    }
}

/// A log, in the memory that SQLite keeps for a file. Behind it lies the base's file.
#[repr(C)]
pub(crate) struct Log {
    /// First, since SQLite looks for it there.
    file: sqlite3_file,
    merge: Merge,
    /// Whether its syncs fail, for a test.
    pub(crate) fails: bool,
}

// SQLite aligns the memory of a file to 8 bytes, and what lies behind a log must be aligned so, too.
const _: () = assert!(align_of::<Log>() <= 8 && size_of::<Log>().is_multiple_of(8));

/// The base's file, of which SQLite knows the rest.
struct Real(*mut sqlite3_file);

impl Real {
    /// # Safety
    /// `log` was opened by [`open_file`], as a log, and is not closed.
    unsafe fn of(log: *mut sqlite3_file) -> Self {
        // SAFETY: `szOsFile` keeps the base's room behind that of a log.
        Self(unsafe { log.byte_add(size_of::<Log>()) })
    }
    fn methods(&self) -> &sqlite3_io_methods {
        // SAFETY: the base set it when it opened the file.
        unsafe { &*(*self.0).pMethods }
    }
}

impl Below for Real {
    fn write(&mut self, piece: &[u8], at: i64) -> Result<(), i32> {
        let Some(write) = self.methods().xWrite else { return Err(SQLITE_IOERR) };
        // SAFETY: the file is open, and the length is that of the piece, which is far below what an int can hold.
        match unsafe { write(self.0, piece.as_ptr().cast(), piece.len() as c_int, at) } {
            SQLITE_OK => Ok(()),
            code => Err(code),
        }
    }
}

unsafe extern "C" fn open_file(
    _: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let Some(Ok(Base(base))) = BASE.get() else { return SQLITE_CANTOPEN };
    // SAFETY: see `make`.
    let Some(open) = (unsafe { base.as_ref() }).xOpen else { return SQLITE_CANTOPEN };
    if flags & SQLITE_OPEN_WAL == 0 {
        // SAFETY: what SQLite gave, handed on; there is more room than the base needs.
        return unsafe { open(base.as_ptr(), name, file, flags, out) };
    }
    // SAFETY: there is room for a log and, behind it, for a file of the base. What is returned is marked as open (by its
    // methods) only if the base has opened it; if it failed and wants to be closed nevertheless, it is.
    unsafe {
        (*file).pMethods = ptr::null();
        let real = Real::of(file);
        (*real.0).pMethods = ptr::null();
        let code = open(base.as_ptr(), name, real.0, flags, out);
        if code == SQLITE_OK {
            file.cast::<Log>().write(Log {
                file: sqlite3_file { pMethods: &raw const METHODS },
                merge: Merge::default(),
                fails: false,
            });
        } else if let Some(close) = (*real.0).pMethods.as_ref().and_then(|methods| methods.xClose) {
            close(real.0);
        }
        code
    }
}

pub(crate) static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Without shared memory and mapped pages, which only the database itself has.
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// As for [`Real::of`]; nobody else uses the file meanwhile, which SQLite sees to.
unsafe fn written(file: *mut sqlite3_file, write: impl FnOnce(&mut Merge, &mut Real) -> Result<(), i32>) -> c_int {
    // SAFETY: by the caller's word.
    let (log, mut real) = unsafe { (&mut *file.cast::<Log>(), Real::of(file)) };
    write(&mut log.merge, &mut real).err().unwrap_or(SQLITE_OK)
}

unsafe extern "C" fn write(file: *mut sqlite3_file, piece: *const c_void, len: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite hands over `len` bytes of an open file.
    unsafe {
        let piece = std::slice::from_raw_parts(piece.cast::<u8>(), len as usize);
        written(file, |merge, real| merge.write(piece, at, real))
    }
}

/// Passes a call on to the base; where it is about what the file holds, once everything held back is written.
macro_rules! pass_on {
    ($name:ident, $method:ident, $held:expr $(, $arg:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $arg: $type)*) -> c_int {
            // SAFETY: SQLite calls this for an open file, with what the base's own method takes.
            unsafe {
                match written(file, $held) {
                    SQLITE_OK => {}
                    code => return code,
                }
                let real = Real::of(file);
                match real.methods().$method {
                    Some(method) => method(real.0 $(, $arg)*),
                    None => SQLITE_IOERR,
                }
            }
        }
    };
}

pass_on!(read, xRead, Merge::flush, into: *mut c_void, len: c_int, at: sqlite3_int64);
pass_on!(truncate, xTruncate, Merge::flush, size: sqlite3_int64);
pass_on!(bring_to_disk, xSync, Merge::flush, flags: c_int);
pass_on!(file_size, xFileSize, Merge::flush, size: *mut sqlite3_int64);
pass_on!(file_control, xFileControl, Merge::flush, what: c_int, with: *mut c_void);
pass_on!(lock, xLock, nothing, level: c_int);
pass_on!(unlock, xUnlock, nothing, level: c_int);
pass_on!(check_reserved_lock, xCheckReservedLock, nothing, out: *mut c_int);
pass_on!(sector_size, xSectorSize, nothing);
pass_on!(device_characteristics, xDeviceCharacteristics, nothing);

/// # Safety
/// As for [`Real::of`]; nobody else uses the file meanwhile.
pub(crate) unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: by the caller's word.
    unsafe { if (*file.cast::<Log>()).fails { SQLITE_IOERR_FSYNC } else { bring_to_disk(file, flags) } }
}

fn nothing(_: &mut Merge, _: &mut Real) -> Result<(), i32> {
    Ok(())
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once. What is held back then is of a commit that never was.
    unsafe {
        ptr::drop_in_place(&raw mut (*file.cast::<Log>()).merge);
        (*file).pMethods = ptr::null();
        let real = Real::of(file);
        real.methods().xClose.map_or(SQLITE_IOERR, |close| close(real.0))
    }
}
