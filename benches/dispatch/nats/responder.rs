//! The answering side, a process of its own: starts what it is asked for and replies with its
//! output. No signature, no journal, no TLS.

use std::net::SocketAddr;

use anyhow::Context as _;
use anyhow::Result;
use bytes::Bytes;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::process::output_of;
use crate::process::parent_ended;

use super::wire;
use super::wire::Frame;
use super::wire::Message;
use super::wire::Reader;

/// Answers until standard input ends; writes a line when all subscribers are there.
pub(crate) async fn respond(address: SocketAddr, subscribers: usize) -> Result<()> {
    let mut connections = JoinSet::new();
    for number in 0..subscribers {
        let (mut reader, outgoing, writing) = wire::connect(address).await?;
        let hello = format!("SUB run.{number} 1\r\nSUB nothing.{number} 2\r\nPING\r\n");
        let writing = tokio::spawn(writing);
        outgoing.send(hello.into()).await?;
        // Its answer says that the subscriptions are in force.
        reader.next().await?;
        connections.spawn(async move {
            let served = serve(reader, outgoing).await;
            writing.abort();
            served
        });
    }
    println!("ready");
    tokio::select! {
        ended = parent_ended() => ended,
        Some(ended) = connections.join_next() => ended.context("a connection broke")?,
    }
}

async fn serve(mut reader: Reader, outgoing: mpsc::Sender<Bytes>) -> Result<()> {
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            frame = reader.next() => match frame? {
                Frame::Ping => outgoing.send(Bytes::from_static(b"PONG\r\n")).await?,
                Frame::Pong => {}
                Frame::Message(message) if message.subject.starts_with("nothing") => {
                    let reply = message.reply.context("a request without a reply subject")?;
                    outgoing.send(wire::publish(&reply, None, b"")).await?;
                }
                Frame::Message(message) => {
                    let outgoing = outgoing.clone();
                    answers.spawn(async move { answer(&message, &outgoing).await });
                }
            },
            Some(answered) = answers.join_next() => answered.context("an answer broke")??,
        }
    }
}

async fn answer(message: &Message, outgoing: &mpsc::Sender<Bytes>) -> Result<()> {
    let reply = message.reply.as_ref().context("a request without a reply subject")?;
    let command = std::str::from_utf8(&message.payload)?;
    let mut words = command.split(' ');
    let program = words.next().context("a request without a program")?;
    let output = output_of(program, Command::new(program).args(words)).await?;
    outgoing.send(wire::publish(reply, None, &output)).await?;
    Ok(())
}
