//! `audit list`, `export` and `verify`.

mod verify;

use std::fs::File;
use std::fs::OpenOptions;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use cortex_core::ErrorKind;
use cortex_proto::json::AuditInfo;
use cortex_proto::json::Page;
use http_body_util::BodyExt as _;

use crate::args::audit::AuditCommand;
use crate::args::audit::ExportArgs;
use crate::args::audit::ListArgs;
use crate::args::audit::VerifyArgs;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::program::Program;

use verify::Verifier;

/// A longer line is none of an export: output comes in pieces of 256 KiB.
const MAX_LINE: u64 = 4 << 20;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses; a file that cannot be written or read, or that does not verify.
pub(crate) async fn run(program: &Program, command: AuditCommand) -> Result<Exit> {
    match command {
        AuditCommand::List(args) => list(program, &args).await?,
        AuditCommand::Export(args) => export(program, &args).await?,
        AuditCommand::Verify(args) => verify(program, &args)?,
    }
    Ok(Exit::OK)
}

async fn list(program: &Program, args: &ListArgs) -> Result<()> {
    let route = Route::new("/api/audit")
        .maybe("actor", args.actor.as_ref())
        .maybe("action", args.action.as_ref())
        .maybe("object", args.object.as_ref())
        .maybe("since", args.since.as_ref())
        .maybe("until", args.until.as_ref())
        .maybe("limit", Some(args.limit.to_string()).as_ref());
    let page: Page<AuditInfo> = program.client()?.get(route).await?;
    program.output.list(&page)
}

async fn export(program: &Program, args: &ExportArgs) -> Result<()> {
    let route = match &args.session {
        Some(session) => Route::new("/api/sessions")
            .segment(session)
            .segment("receipts")
            .maybe("output", args.with_output.then_some("true")),
        None => {
            Route::new("/api/audit/export").maybe("after", Some(args.after.to_string()).as_ref())
        }
    };
    let mut client = program.client()?;
    let response = client.send(&Call::get(route)).await.map_err(|error| client.told(error))?;
    let mut body = response.into_body();
    let mut sink = Sink::open(args.out.as_deref())?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let message = format!("the export broke off: {error}");
            Failure::new(ErrorKind::Unavailable, message).or_hint("begin it again")
        })?;
        if let Some(data) = frame.data_ref() {
            sink.write(data)?;
        }
    }
    sink.finish()
}

/// Where an export goes: a file that is there in whole or not at all, or standard output.
struct Sink<'a> {
    file: Option<(File, &'a Path, std::path::PathBuf)>,
}

impl<'a> Sink<'a> {
    fn open(path: Option<&'a Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let beside = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&beside).map_err(|error| Failure::file("write", path, &error))?;
        Ok(Self { file: Some((file, path, beside)) })
    }

    fn write(&mut self, data: &[u8]) -> Result<()> {
        match &mut self.file {
            Some((file, path, _)) => {
                file.write_all(data).map_err(|error| Failure::file("write", path, &error))
            }
            None => output::write_stdout(data),
        }
    }

    fn finish(self) -> Result<()> {
        let Some((file, path, beside)) = self.file else { return Ok(()) };
        let finished = file.sync_all().and_then(|()| std::fs::rename(&beside, path));
        finished.map_err(|error| Failure::file("write", path, &error))
    }
}

fn verify(program: &Program, args: &VerifyArgs) -> Result<()> {
    let path = &args.file;
    let file = File::open(path).map_err(|error| Failure::file("read", path, &error))?;
    let mut lines = BufReader::new(file);
    let mut verifier = Verifier::new(args.head);
    let mut number = 0;
    loop {
        let mut line = Vec::new();
        let limited = &mut std::io::Read::take(&mut lines, MAX_LINE);
        let read = limited.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::file("read", path, &error))? == 0 {
            break;
        }
        number += 1;
        verifier.line(&line).map_err(|fault| wrong(path, Some(number), &fault))?;
    }
    let summary = verifier.finish().map_err(|fault| wrong(path, None, &fault))?;
    program.output.document_or(&summary, format_args!("{summary}\n"))
}

fn wrong(path: &Path, line: Option<u64>, fault: &str) -> Failure {
    let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
    Failure::new(ErrorKind::Internal, format!("{}{place}: {fault}", path.display()))
        .with_code("not_verified")
        .or_hint("the export was changed, or is of another hub than the one that signed it")
}
