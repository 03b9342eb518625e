//! The parameters of a call, however they were sent: query, JSON, form or multipart.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::refusal::{Answer, Refusal};

/// A file among the parameters.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) bytes: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Params {
    pub(crate) values: Map<String, Value>,
    pub(crate) uploads: HashMap<String, Upload>,
}

impl Params {
    pub(crate) async fn read(request: Request) -> Answer<Self> {
        let mut params = Self::default();
        params.add_form(request.uri().query().unwrap_or_default().as_bytes());
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media_type == "multipart/form-data" {
            params.add_multipart(request).await?;
            return Ok(params);
        }
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.map_err(|_| unreadable("body"))?;
        match media_type.as_str() {
            _ if body.is_empty() => {}
            "application/json" => {
                let values =
                    serde_json::from_slice::<Map<String, Value>>(&body).map_err(|_| unreadable("JSON object"))?;
                // A null is the same as nothing.
                params.values.extend(values.into_iter().filter(|(_, value)| !value.is_null()));
            }
            _ => params.add_form(&body),
        }
        Ok(params)
    }

    fn add_form(&mut self, text: &[u8]) {
        let pairs = form_urlencoded::parse(text);
        self.values.extend(pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))));
    }

    async fn add_multipart(&mut self, request: Request) -> Answer<()> {
        let mut form = Multipart::from_request(request, &()).await.map_err(|_| unreadable("multipart form"))?;
        while let Some(field) = form.next_field().await.map_err(|_| unreadable("multipart form"))? {
            let name = field.name().unwrap_or_default().to_owned();
            let file_name = field.file_name().map(str::to_owned);
            let media_type = field.content_type().map(str::to_owned);
            let bytes = field.bytes().await.map_err(|_| unreadable("multipart form"))?;
            if file_name.is_some() {
                self.uploads.insert(name, Upload { name: file_name, media_type, bytes });
            } else {
                self.values.insert(name, Value::String(String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        Ok(())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    /// A number; Telegram takes a text of digits as one.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let value = self.values.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    pub(crate) fn decimal(&self, name: &str) -> Option<f64> {
        let value = self.values.get(name)?;
        value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// An object or array; forms carry those as JSON texts.
    pub(crate) fn json(&self, name: &str) -> Answer<Option<Value>> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some).map_err(|_| unreadable(name)),
            Some(value) => Ok(Some(value.clone())),
        }
    }
}

fn unreadable(what: &str) -> Refusal {
    Refusal::bad_request(format_args!("can't parse {what}"))
}
