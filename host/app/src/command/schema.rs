//! `switchhook schema`

use crate::failure::Failure;
use crate::wiring::Connectors;

pub(crate) fn schema() -> Result<String, Failure> {
    let schema = switchhook_config::schema(&Connectors::for_checking().kinds);
    let text = serde_json::to_string_pretty(&schema);
    text.map(|text| text + "\n").map_err(|error| Failure::other("the schema can't be written", error))
}
