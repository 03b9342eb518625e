//! Edges at which a kill test may end the process. Without the feature `failpoints` there is nothing here.

/// The environment's word for where to die: `store.before_commit:3` is the third passage of that edge.
#[cfg(feature = "failpoints")]
const ABORT_AT: &str = "SWITCHHOOK_ABORT_AT";

/// Marks an edge by name. Ends the process, as a power cut would, where the environment asks for it.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn edge(_name: &str) {}

/// Marks an edge by name. Ends the process, as a power cut would, where the environment asks for it.
#[cfg(feature = "failpoints")]
pub fn edge(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var(ABORT_AT).ok()?;
        let (edge, passage) = text.rsplit_once(':')?;
        Some((edge.to_owned(), passage.parse().ok()?))
    });
    if let Some((edge, passage)) = wanted
        && edge == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *passage
    {
        std::process::abort();
    }
}
