//! A rotation whose keys lie in files.

use std::path::PathBuf;

use crate::error::StoreError;
use crate::key_file::KeyFile;
use crate::keys::KeyError;
use crate::rotation::Resealed;
use crate::store::Store;

/// Why a rotation does not begin, or does not end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Draws the next key of a file, and seals with it from now on. Where that was done before, it goes on with that key.
    pub async fn begin_rotation_in(&self, file: &KeyFile) -> Result<(), RotationError> {
        let next = file.draw_next()?;
        if next.id() != self.key() {
            self.begin_rotation(next).await?;
        }
        Ok(())
    }

    /// As [`Store::finish_rotation`]; then the next key takes its place. Gives where the key before is kept.
    pub async fn finish_rotation_in(
        &self,
        file: &KeyFile,
        watch: impl FnMut(Resealed),
    ) -> Result<(Resealed, PathBuf), RotationError> {
        // In this order, since a key must not go before what it sealed.
        let done = self.finish_rotation(watch).await?;
        Ok((done, file.promote()?))
    }
}
