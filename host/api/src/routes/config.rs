//! The config that runs, and the next one.

use axum::Json;
use axum::extract::State;
use switchhook_config::{Color, ConfigErrors, Plan, Step};
use switchhook_runtime::{Attempt, Cause};
use switchhook_store::GenerationRecord;

use crate::dto::DryRun;
use crate::error::ApiError;
use crate::routes::Api;

/// How many attempts the ledger shows.
const GENERATIONS: u32 = 100;

/// Reads the config now. A refused config is an answer, not an error of this request.
pub(crate) async fn reload(State(api): State<Api>) -> Json<Attempt> {
    Json(api.host.reload(Cause::Api).await)
}

pub(crate) async fn dry_run(State(api): State<Api>) -> Json<DryRun> {
    Json(match api.host.dry_run().await {
        Ok(plan) => planned(plan),
        Err(errors) => refused(&errors),
    })
}

fn planned(plan: Plan) -> DryRun {
    let changes = plan.changes.into_iter().filter(|change| change.step != Step::Keep);
    DryRun { changes: changes.collect(), ..DryRun::default() }
}

fn refused(errors: &ConfigErrors) -> DryRun {
    DryRun { problems: errors.problems().to_vec(), rendered: Some(errors.render(Color::Never)), ..DryRun::default() }
}

pub(crate) async fn generations(State(api): State<Api>) -> Result<Json<Vec<GenerationRecord>>, ApiError> {
    Ok(Json(api.host.store().generations(GENERATIONS).await?))
}
