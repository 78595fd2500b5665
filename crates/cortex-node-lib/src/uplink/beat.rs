//! Heartbeats: one at once, then one an interval, on a call of their own.

use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::node::Health;
use cortex_proto::v1;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use super::Uplink;
use super::calls;

const OPERATION: &str = "report health";

/// A measurement that takes longer is left out: the last one is sent instead.
const MEASURE_LIMIT: Duration = Duration::from_millis(900);

/// Sends heartbeats until the call ends; says why it ended.
pub(super) async fn keep(
    uplink: &Uplink,
    channel: Channel,
    token: AsciiMetadataValue,
    epoch: u64,
    interval: Duration,
) -> Error {
    let (beats, stream) = mpsc::channel(2);
    let mut client = calls::orchestrator(channel);
    let request = calls::authorized(ReceiverStream::new(stream), &token);
    let call = calls::limited(OPERATION, client.report_health(request));
    // The hub may answer the call only after the first heartbeat.
    let (sent, answer) = tokio::join!(first(uplink, &beats, epoch), call);
    let mut acks = match answer {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => return calls::call_error(OPERATION, &status),
        Err(error) => return error,
    };
    tokio::select! {
        error = send(uplink, &beats, epoch, interval, sent) => error,
        error = read(&mut acks) => error,
    }
}

async fn first(uplink: &Uplink, beats: &mpsc::Sender<v1::Heartbeat>, epoch: u64) -> Health {
    let health = uplink.pulse.measure().await;
    // The receiver lives in the request; where the call is over already, its answer says so.
    let _ = beats.send(heartbeat(uplink, &health, epoch, 1)).await;
    health
}

async fn send(
    uplink: &Uplink,
    beats: &mpsc::Sender<v1::Heartbeat>,
    epoch: u64,
    interval: Duration,
    mut health: Health,
) -> Error {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sequence = 1;
    loop {
        ticks.tick().await;
        sequence += 1;
        match tokio::time::timeout(MEASURE_LIMIT, uplink.pulse.measure()).await {
            Ok(measured) => health = measured,
            Err(_) => tracing::warn!("this machine's health takes too long to measure"),
        }
        if beats.send(heartbeat(uplink, &health, epoch, sequence)).await.is_err() {
            return ended("the hub takes no more heartbeats");
        }
    }
}

async fn read(acks: &mut Streaming<v1::HealthAck>) -> Error {
    loop {
        match acks.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return ended("the hub ended the call"),
            Err(status) => return calls::call_error(OPERATION, &status),
        }
    }
}

fn heartbeat(uplink: &Uplink, health: &Health, epoch: u64, sequence: u64) -> v1::Heartbeat {
    let node_id = uplink.membership.node.to_string();
    v1::Heartbeat { node_id, epoch, sequence, ..v1::Heartbeat::from(health) }
}

fn ended(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable, OPERATION, message).with_code("connection_lost")
}
