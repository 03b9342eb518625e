//! What is kept of a component between starts: its machine code and its description, named by digest and by what the
//! code was compiled for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use switchhook_core::catalogue::Description;
use switchhook_core::id::Digest;
use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::{CompileError, EngineError};

/// How many compiled components are kept: the versions of a day's editing.
const MAX_KEPT: usize = 64;
/// A file that is still being written after so long belongs to nobody: compiling takes two minutes at most.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

pub(crate) struct Cache {
    dir: PathBuf,
    compatibility: String,
    /// Why code is copied into memory instead of mapped; empty where it never was.
    unmappable: OnceLock<String>,
}

impl Cache {
    pub(crate) fn open(dir: &Path, engine: &Engine) -> Result<Self, EngineError> {
        let unusable = |reason: std::io::Error| EngineError::CacheDir { path: dir.into(), reason: reason.to_string() };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(unusable)?;
        // Whether it can be written to shows now, not at the first edit.
        NamedTempFile::new_in(dir).map_err(unusable)?;
        // The default hasher has fixed keys: the same engine gives the same name in every process.
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = format!("{:016x}", hasher.finish());
        let cache = Self { dir: dir.to_owned(), compatibility, unmappable: OnceLock::new() };
        cache.sweep();
        Ok(cache)
    }

    /// What `status` has to say of the folder.
    pub(crate) fn note(&self) -> Option<&str> {
        self.unmappable.get().map(String::as_str)
    }

    /// Maps the machine code. Where the folder lets nothing be mapped as code (mounted `noexec`, for one), it is copied
    /// into memory instead: it works all the same, and costs memory that can't be shared or dropped.
    fn map(&self, engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
        let refused = match map_file(engine, path) {
            Ok(component) => return Ok(component),
            Err(refused) => refused,
        };
        // What is wrong with the code itself is wrong here, too.
        let component = copy_file(engine, path)?;
        self.unmappable.get_or_init(|| {
            let dir = self.dir.display();
            let note =
                format!("compiled plugins are copied into memory: {dir} lets no code be mapped (noexec?): {refused:#}");
            tracing::warn!("{note}");
            note
        });
        Ok(component)
    }

    fn files(&self) -> Vec<(SystemTime, PathBuf)> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path());
        entries
            .filter_map(|path| Some((path.metadata().and_then(|metadata| metadata.modified()).ok()?, path)))
            .collect()
    }

    /// Removes what a compiler left behind that was killed together with its host.
    fn sweep(&self) {
        let old = SystemTime::now() - LEFT_BEHIND;
        for (_, path) in self.files().into_iter().filter(|(at, path)| *at < old && path.extension().is_none()) {
            let _ = std::fs::remove_file(path);
        }
    }

    fn path(&self, digest: &Digest, extension: &str) -> PathBuf {
        self.dir.join(format!("{}-{}.{extension}", digest.as_str(), self.compatibility))
    }

    /// The compiled component; none where it was not compiled yet, or can't be used.
    pub(crate) fn component(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(digest, "cwasm");
        if !path.is_file() {
            return None;
        }
        match self.map(engine, &path) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), "a compiled plugin can't be used and is made again: {error:#}");
                None
            }
        }
    }

    /// Has `compile` write the machine code aside, then puts it in its place.
    pub(crate) fn add(
        &self,
        engine: &Engine,
        digest: &Digest,
        compile: impl FnOnce(&Path) -> Result<(), CompileError>,
    ) -> Result<Component, CompileError> {
        let failed = |reason| CompileError::File { what: "the compiled component can't be kept", reason };
        let aside = NamedTempFile::new_in(&self.dir).map_err(failed)?;
        compile(aside.path())?;
        let path = self.path(digest, "cwasm");
        // A rename: whoever has mapped a file of this name keeps the one they mapped.
        aside.persist(&path).map_err(|error| failed(error.error))?;
        self.prune();
        // It was made here and now: what is wrong is the machine's, not the component's.
        self.map(engine, &path).map_err(|error| CompileError::File {
            what: "the compiled component can't be used",
            reason: std::io::Error::other(format!("{error:#}")),
        })
    }

    pub(crate) fn description(&self, digest: &Digest) -> Option<Description> {
        let text = std::fs::read(self.path(digest, "json")).ok()?;
        let description: Description = serde_json::from_slice(&text).ok()?;
        (description.digest == *digest).then_some(description)
    }

    /// Best effort: what can't be kept is asked again after the next start.
    pub(crate) fn keep_description(&self, description: &Description) {
        let kept = (|| {
            let mut aside = NamedTempFile::new_in(&self.dir)?;
            serde_json::to_writer(&mut aside, description)?;
            aside.persist(self.path(&description.digest, "json")).map_err(|error| error.error)?;
            Ok::<_, std::io::Error>(())
        })();
        if let Err(error) = kept {
            tracing::debug!("the description of a plugin can't be kept: {error}");
        }
    }

    /// Removes the oldest files beyond what is kept. A removed file stays with those who have mapped it.
    fn prune(&self) {
        let compiled = |path: &Path| path.extension().is_some_and(|extension| extension == "cwasm");
        let mut kept: Vec<_> = self.files().into_iter().filter(|(_, path)| compiled(path)).collect();
        kept.sort();
        let surplus = kept.len().saturating_sub(MAX_KEPT);
        for (_, path) in kept.drain(..surplus) {
            // Somebody else's removal is as good.
            let _ = std::fs::remove_file(&path);
            let _ = std::fs::remove_file(path.with_extension("json"));
        }
    }
}

#[allow(unsafe_code, reason = "wasmtime maps machine code only through an unsafe function")]
fn map_file(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by our own compiler into a folder of ours (mode 0700), was on disk before it got
    // this name, and is never changed under it: a new one takes its place by rename.
    unsafe { Component::deserialize_file(engine, path) }
}

#[allow(unsafe_code, reason = "wasmtime takes machine code only through an unsafe function")]
fn copy_file(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    let code = std::fs::read(path)?;
    // SAFETY: as above.
    unsafe { Component::deserialize(engine, &code) }
}
