//! Plays the runtime's part for people: a specification and a fixture in, messages out.
//!
//! [`run`] starts this same binary as a connector, one process for Validate, one for Apply and one for
//! each session, and speaks the protocol with it. Brokers and registry are embedded in this process
//! unless `--live` asks for the configuration's own. What lands in the topics is read back while it is
//! written, and printed in the end.
//!
//! Threads: the caller's sends requests and waits for responses; `reader` reads the topics; one
//! `connector-log` for each process passes its log on; one worker of a tokio runtime serves the
//! embedded registry; librdkafka has its own.

mod avro;
mod connector;
mod error;
mod landed;
mod log;
mod message;
mod print;
mod reader;
mod servers;
mod sessions;
pub mod task;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::ValueEnum;

pub use error::Error;

use self::connector::Launch;
use self::message::{Decoder, Schemas};
use self::print::Summary;
use self::reader::Reader;
use self::servers::Servers;
use self::task::source::Source;
use self::task::{BuiltTask, Fixture, Task};
use crate::config::{EndpointConfig, MessageFormat};
use crate::protocol::Codec;
use crate::registry::Client;

/// What to preview, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The specification: a flow.yaml or JSON file with collections and materializations.
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// The documents: a line ["collection", {document}] for each, {"commit": true} between transactions;
    /// - is standard input.
    #[arg(long, value_name = "FILE")]
    pub fixture: PathBuf,
    /// The materialization to run; needed if the specification has several.
    #[arg(long, value_name = "TASK")]
    pub name: Option<String>,
    /// How many transactions to send in each session; negative is all that are left. Without it, one
    /// session has all.
    #[arg(long, value_name = "N,M", value_delimiter = ',', allow_hyphen_values = true)]
    pub sessions: Vec<i64>,
    /// How to speak with the connector; without it as the specification would: protobuf for an image
    /// or for a local command with protobuf: true, else JSON.
    #[arg(long, value_enum)]
    pub codec: Option<CodecName>,
    /// How to print the messages.
    #[arg(long, value_enum, default_value = "table")]
    pub output: Output,
    /// Use the brokers and the registry of the configuration, not embedded ones. What others write to
    /// the same topics meanwhile cannot be told apart and is printed as well.
    #[arg(long)]
    pub live: bool,
}

/// A codec by the name that `FLOW_RUNTIME_CODEC` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CodecName {
    /// Protobuf, packed tuples
    Proto,
    /// Lines of JSON, arrays
    Json,
}

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns cut to the terminal's width, and a summary
    Table,
    /// Each message whole, as a JSON object on a line, and nothing else
    Jsonl,
}

/// Runs a preview and returns the exit status: 0, or 1 after an error, which stderr tells.
pub fn run(args: &Args) -> ExitCode {
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    // Only a process that logs already refuses this.
    let _kept = tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_max_level(level.unwrap_or(tracing::level_filters::LevelFilter::WARN))
        .with_writer(io::stderr)
        .try_init();
    match preview(args) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn preview(args: &Args) -> Result<(), Error> {
    let start = Instant::now();
    let source = Source::read(&args.source)?;
    let task = Task::new(source.materialization(args.name.as_deref())?)?;
    if task.bindings.is_empty() {
        return Err(Error::NoBindings { task: task.name });
    }
    let fixture = open(&args.fixture)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("requests")
        .enable_all()
        .build()
        .map_err(|source| Error::System { doing: "starting the runtime for requests", source })?;
    let servers = if args.live {
        Servers::live(&task.config)?
    } else {
        Servers::embedded(&task.config, runtime.handle())?
    };

    let codec = args.codec.map(Codec::from);
    let launch = Launch::new(&task.endpoint, codec);
    let (task, topics) = prepare(&launch, task, &servers)?;
    runtime.block_on(servers.number_schemas(&task.spec))?;
    let mut reader = Reader::start(servers.read(&topics)?, servers.are_embedded())?;
    sessions::run(&launch, &task, task.transactions(fixture), &args.sessions, &mut reader)?;
    let stores = reader.written();
    let landed = reader.finish()?;

    let messages = landed.messages();
    let summary = Summary::of(&landed, start.elapsed());
    let schemas = match &servers.endpoint {
        EndpointConfig { message_format: MessageFormat::Avro, schema_registry: Some(registry), .. } => {
            Some(runtime.block_on(Schemas::of(&landed, &Client::new(registry)?))?)
        }
        _ => None,
    };
    let decoder = schemas.as_ref().map_or(Ok(Decoder::Json), Schemas::decoder)?;
    let output = io::stdout().lock();
    match args.output {
        Output::Table => print::table(output, landed, &decoder, print::width(), summary)?,
        Output::Jsonl => {
            print::jsonl(output, landed, &decoder)?;
            tell(&summary.line());
        }
    }
    // Real brokers may have messages of others.
    if servers.are_embedded() && messages != stores {
        return Err(Error::Count { messages, stores });
    }
    Ok(())
}

/// Validates and applies a task. Returns it with its topics, which exist then.
fn prepare(launch: &Launch, mut task: Task, servers: &Servers) -> Result<(BuiltTask, Vec<String>), Error> {
    task.config = servers.config.clone();
    let mut connector = launch.start()?;
    let validated = connector.validate(task.validate())?;
    connector.end()?;

    let bindings = task.bindings.iter().map(|binding| (&binding.place[..], &binding.resource));
    let made = servers::topics(&servers.endpoint, bindings)?;
    let topics = made.iter().map(|topic| topic.name.to_string()).collect();
    let task = task.build(&validated)?;
    servers.make_topics(&made)?;

    let mut connector = launch.start()?;
    let applied = connector.apply(&task.spec)?;
    connector.end()?;
    for action in applied.action_description.lines() {
        tell(action);
    }
    Ok((task, topics))
}

fn open(path: &PathBuf) -> Result<Fixture<Box<dyn BufRead>>, Error> {
    const BUFFER: usize = 1 << 18;
    if path.as_os_str() == "-" {
        return Ok(Fixture::new("standard input", Box::new(BufReader::with_capacity(BUFFER, io::stdin()))));
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => Ok(Fixture::new(name, Box::new(BufReader::with_capacity(BUFFER, file)))),
        Err(source) => Err(Error::OpenFixture { path: name, source }),
    }
}

/// Writes a line to stderr. There is nobody left to tell that it is gone.
fn tell(line: &str) {
    let _gone = writeln!(io::stderr(), "{line}");
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Proto => Self::Proto,
            CodecName::Json => Self::Json,
        }
    }
}
