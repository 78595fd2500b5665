//! The files that a task has published.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::Response;
use cortex_proto::json::FileInfo;
use cortex_proto::json::Page;

use super::Api;
use super::convert::file_info;
use super::extract::InPath;
use super::failure::Answer;
use super::guard::Caller;
use super::output::Octets;
use super::tasks::read_id;

const SHA256: HeaderName = HeaderName::from_static("x-cortex-sha256");

/// Lists the files that a task has published by now, in the order in which they were complete.
///
/// They stay as long as the task does. Of a task that had several attempts, a later one's file takes
/// the place of an earlier one's with the same name.
#[utoipa::path(
    get, path = "/api/tasks/{id}/files", operation_id = "list_task_files", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`")),
    responses((status = 200, description = "All of its files", body = Page<FileInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Answer<Json<Page<FileInfo>>> {
    let files = api.hub.files(&caller, read_id(&id)?).await?;
    Ok(Json(Page { items: files.iter().map(file_info).collect(), next_cursor: None }))
}

/// Reads a file that a task has published, byte for byte.
///
/// It comes as an attachment that no browser shows, with its digest in `X-Cortex-Sha256`.
#[utoipa::path(
    get, path = "/api/tasks/{id}/files/{name}", operation_id = "read_task_file", tag = "tasks",
    params(
        ("id" = String, Path, description = "`tsk_…`"),
        ("name" = String, Path, description = "The file's name"),
    ),
    responses((status = 200, description = "Its bytes",
        content((Octets = "application/octet-stream")),
        headers(("X-Cortex-Sha256" = String, description = "The SHA-256 of all of them"))))
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath((id, name)): InPath<(String, String)>,
) -> Answer<Response> {
    let reader = api.hub.file(&caller, read_id(&id)?, &name).await?;
    let file = reader.file();
    let (size, digest) = (file.size, file.digest.to_string());
    let disposition = attachment(&file.name);
    let pieces = futures::stream::try_unfold(reader, |mut reader| async move {
        Ok::<_, cortex_core::Error>(reader.next().await?.map(|piece| (piece, reader)))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, text) in [(header::CONTENT_DISPOSITION, disposition), (SHA256, digest)] {
        headers.insert(name, HeaderValue::from_str(&text).expect("it has plain characters only"));
    }
    Ok(response)
}

/// What makes a browser keep the file under its name; all that is not plain is in hexadecimal.
fn attachment(name: &str) -> String {
    let mut text = String::from("attachment; filename*=UTF-8''");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(byte.into()),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_header_cannot_be_anything_else() {
        let text = attachment("ä \";x=\r\n.csv");
        assert_eq!(text, "attachment; filename*=UTF-8''%C3%A4%20%22%3Bx%3D%0D%0A.csv");
        assert!(HeaderValue::from_str(&text).is_ok());
    }
}
