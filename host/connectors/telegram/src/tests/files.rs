//! Fetching the bytes of an attachment.

use super::*;

#[derive(Clone, Copy)]
enum Ranges {
    Known,
    Unknown,
}

/// Serves one file of ten bytes.
async fn file_server(ranges: Ranges, size: u64) -> String {
    let answer = async move |uri: Uri, headers: HeaderMap| match (uri.path().starts_with("/file/bot"), ranges) {
        (false, _) => {
            let file = json!({ "file_id": "f", "file_path": "documents/a", "file_size": size });
            (StatusCode::OK, json!({ "ok": true, "result": file }).to_string())
        }
        (true, Ranges::Unknown) => (StatusCode::OK, "0123456789".to_owned()),
        (true, Ranges::Known) => {
            let range = headers["range"].to_str().unwrap().strip_prefix("bytes=").unwrap().to_owned();
            let (from, to) = range.split_once('-').unwrap();
            let part = &"0123456789"[from.parse().unwrap()..=to.parse().unwrap()];
            (StatusCode::PARTIAL_CONTENT, part.to_owned())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

#[tokio::test]
async fn an_attachment_is_read_in_parts_whether_or_not_the_server_knows_ranges() {
    for ranges in [Ranges::Known, Ranges::Unknown] {
        let connector = connector(&file_server(ranges, 10).await);
        let read = async |offset, length| connector.attachment("f", offset, length).await;
        assert_eq!(read(0, 100).await.as_deref(), Some(&b"0123456789"[..]));
        assert_eq!(read(3, 4).await.as_deref(), Some(&b"3456"[..]));
        assert_eq!(read(8, 4).await.as_deref(), Some(&b"89"[..]));
        assert_eq!(read(10, 4).await.as_deref(), Some(&b""[..]));
    }
}

#[tokio::test]
async fn a_file_too_large_for_bots_is_not_fetched() {
    let connector = connector(&file_server(Ranges::Known, 20 * 1024 * 1024 + 1).await);
    assert_eq!(connector.attachment("f", 0, 4).await, None);
}
