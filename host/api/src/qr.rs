//! A QR code as an image (B1). Whoever sees it can link the account: it is never cached.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use qrcode::{Color, QrCode};
use serde::Deserialize;

use crate::error::ApiError;

/// Pixels a module, and modules of white around: four are the standard's least.
const SCALE: usize = 8;
const QUIET: usize = 4;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Png,
    Svg,
    #[default]
    Raw,
}

pub(crate) fn render(payload: &str, format: Format) -> Result<Response, ApiError> {
    let code = || QrCode::new(payload).map_err(|error| failed(&error));
    let (kind, body) = match format {
        Format::Raw => ("text/plain; charset=utf-8", payload.as_bytes().to_vec()),
        Format::Svg => ("image/svg+xml", svg(&code()?).into_bytes()),
        Format::Png => ("image/png", png(&code()?)?),
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn failed(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(%error, "a QR code can't be drawn");
    ApiError::Internal
}

fn svg(code: &QrCode) -> String {
    code.render::<qrcode::render::svg::Color<'_>>().module_dimensions(SCALE as u32, SCALE as u32).build()
}

/// One byte a pixel: black on white.
fn png(code: &QrCode) -> Result<Vec<u8>, ApiError> {
    let side = (code.width() + 2 * QUIET) * SCALE;
    let module = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|at| *at < code.width());
    let pixel = |x: usize, y: usize| match (module(x), module(y)) {
        (Some(x), Some(y)) if code[(x, y)] == Color::Dark => 0,
        _ => 255,
    };
    let pixels: Vec<u8> = (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
    let mut image = Vec::new();
    let mut encoder = png::Encoder::new(&mut image, side as u32, side as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().map_err(|error| failed(&error))?;
    writer.write_image_data(&pixels).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B1: what is drawn is the code, module by module, with white around it.
    #[test]
    fn a_png_holds_every_module() {
        let code = QrCode::new("https://wa.me/settings/linked_devices#ref,a,b,c,1").unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png(&code).unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let side = info.width as usize;
        assert_eq!((side, info.height as usize), ((code.width() + 8) * SCALE, (code.width() + 8) * SCALE));
        let dark = |x: usize, y: usize| pixels[y * SCALE * side + x * SCALE] == 0;
        for y in 0..code.width() + 2 * QUIET {
            for x in 0..code.width() + 2 * QUIET {
                let inside = |at: usize| (QUIET..QUIET + code.width()).contains(&at);
                let is = inside(x) && inside(y) && code[(x - QUIET, y - QUIET)] == Color::Dark;
                assert_eq!(dark(x, y), is, "{x}, {y}");
            }
        }
    }

    /// B1
    #[test]
    fn each_format_says_what_it_is_and_is_not_kept() {
        for (format, kind) in
            [(Format::Png, "image/png"), (Format::Svg, "image/svg+xml"), (Format::Raw, "text/plain; charset=utf-8")]
        {
            let response = render("payload", format).unwrap();
            assert_eq!(response.headers()[header::CONTENT_TYPE], kind);
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
    }
}
