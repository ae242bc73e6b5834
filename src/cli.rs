//! The command line: without a subcommand the process is a connector.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{check, log, preview, session};

/// Runs the command that the process was started with, and returns its exit status.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        None => {
            log::connector();
            session::run()
        }
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Preview(args)) => preview::run(&args),
    }
}

/// Publishes the documents of Estuary Flow collections to Apache Kafka topics.
///
/// Without a subcommand it is a connector: it speaks Flow's materialize protocol on stdin and
/// stdout (FLOW_RUNTIME_CODEC=proto or json; unset, the first byte decides) and logs JSON lines to
/// stderr (LOG_LEVEL=trace, debug, info, warn or error).
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a configuration step by step (names, connections, TLS, login, topics, rights, registry) and says what to
    /// do about what failed. Changes nothing.
    Check(check::Args),
    /// Plays Flow's runtime: sends a fixture's documents through this connector and prints the
    /// messages that landed. Needs no server: by default the brokers and the registry are embedded.
    Preview(preview::Args),
}
