//! The command line.

use std::process::ExitCode;

use clap::Parser;

use crate::{log, session};

/// Runs the command that the process was started with, and returns its exit status.
pub fn run() -> ExitCode {
    Cli::parse();
    log::connector();
    session::run()
}

/// Publishes the documents of Estuary Flow collections to Apache Kafka topics.
///
/// It speaks Flow's materialize protocol on stdin and
/// stdout (FLOW_RUNTIME_CODEC=proto or json; unset, the first byte decides) and logs JSON lines to
/// stderr (LOG_LEVEL=trace, debug, info, warn or error).
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {}
