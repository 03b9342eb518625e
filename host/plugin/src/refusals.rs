//! Components that can't be used, remembered by digest, so that a reload does not compile them again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use switchhook_core::catalogue::CatalogueError;
use switchhook_core::id::Digest;

/// How many are remembered: the failed attempts of a day's editing.
const MAX: usize = 64;
/// How long a refusal counts that a busy machine may be to blame for.
const DOUBTFUL: Duration = Duration::from_secs(60);

/// Whether trying again could end otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The same bytes are refused for ever.
    Certain,
    /// It ran out of time.
    Doubtful,
    /// The host's own fault: the next attempt starts afresh.
    None,
}

#[derive(Default)]
pub(crate) struct Refusals(Mutex<VecDeque<Refusal>>);

struct Refusal {
    digest: Digest,
    error: CatalogueError,
    until: Option<Instant>,
}

impl Refusals {
    /// Why the component was refused, told of the source it is read from now.
    pub(crate) fn of(&self, digest: &Digest, source: &str) -> Option<CatalogueError> {
        let mut all = self.0.lock();
        all.retain(|refusal| refusal.until.is_none_or(|until| Instant::now() < until));
        all.iter().find(|refusal| refusal.digest == *digest).map(|refusal| told_of(source, refusal.error.clone()))
    }

    pub(crate) fn remember(&self, digest: &Digest, error: &CatalogueError, certainty: Certainty) {
        let until = match certainty {
            Certainty::Certain => None,
            Certainty::Doubtful => Some(Instant::now() + DOUBTFUL),
            Certainty::None => return,
        };
        let mut all = self.0.lock();
        if all.len() == MAX {
            all.pop_front();
        }
        all.push_back(Refusal { digest: digest.clone(), error: error.clone(), until });
    }
}

fn told_of(source: &str, error: CatalogueError) -> CatalogueError {
    let source_name = source.to_owned();
    match error {
        CatalogueError::NotAPlugin { reason, .. } => CatalogueError::NotAPlugin { source_name, reason },
        CatalogueError::Contract { found, supported, .. } => CatalogueError::Contract { source_name, found, supported },
        CatalogueError::Failed { function, reason, .. } => CatalogueError::Failed { source_name, function, reason },
        other => other,
    }
}
