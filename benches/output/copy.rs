//! Much output, from a program to a reader: through Cortex, and through OpenSSH.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::AsyncReadExt as _;

use crate::hub::Hub;
use crate::hub::Programs;
use crate::ssh::Ssh;

/// Written at a time to see what the disk can do.
const SYNCED_BYTES: usize = 4 << 20;

/// Rates in MB/s, round by round.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// From a task to a reader, stored on the way.
    pub(crate) live: Vec<f64>,
    /// The same task read once more.
    pub(crate) back: Vec<f64>,
    /// Through OpenSSH.
    pub(crate) ssh: Vec<f64>,
    /// What the disk takes: the limit of what can be stored.
    pub(crate) disk: f64,
}

/// Copies so many bytes in each way, in turns.
pub(crate) async fn measure(
    programs: &Programs,
    home: &Path,
    bytes: u64,
    rounds: usize,
) -> Result<Copies> {
    let hub = Hub::start(programs, &home.join("copy"), true).await?;
    // A connection of its own for each copy, as the hub has: masters are for many small tasks.
    let ssh = Ssh::start(0).await?;
    let count = bytes.to_string();
    let program = ["head", "-c", &count, "/dev/zero"];
    let mut copies = Copies { disk: disk_rate(home)?, ..Copies::default() };
    let rate = |begun: Instant| bytes as f64 / 1e6 / begun.elapsed().as_secs_f64();
    for _ in 0..rounds {
        let begun = Instant::now();
        let mut child = ssh.direct(&program).spawn().context("cannot start ssh")?;
        let mut stdout = child.stdout.take().context("standard output is piped")?;
        let (mut buffer, mut read) = (vec![0; 256 << 10], 0);
        while let len @ 1.. = stdout.read(&mut buffer).await? {
            read += len as u64;
        }
        ensure!(read == bytes && child.wait().await?.success(), "ssh put out {read} bytes");
        copies.ssh.push(rate(begun));

        let begun = Instant::now();
        let task = hub.dispatch(&program).await?;
        let path = format!("/api/tasks/{task}/output");
        let live = hub.open(&format!("{path}?follow=true"), "application/octet-stream").await?;
        ensure!(length_of(live).await? == bytes, "the reader missed some");
        copies.live.push(rate(begun));

        let begun = Instant::now();
        let back = hub.open(&path, "application/octet-stream").await?;
        ensure!(length_of(back).await? == bytes, "not all was stored");
        copies.back.push(rate(begun));
    }
    Ok(copies)
}

async fn length_of(mut body: Incoming) -> Result<u64> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(length)
}

fn disk_rate(home: &Path) -> Result<f64> {
    const TIMES: usize = 64;
    let (path, piece) = (home.join("disk"), vec![0_u8; SYNCED_BYTES]);
    let mut file = std::fs::File::create(&path)?;
    let begun = Instant::now();
    for _ in 0..TIMES {
        file.write_all(&piece)?;
        file.sync_data()?;
    }
    let rate = (TIMES * SYNCED_BYTES) as f64 / 1e6 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}
