//! Plays the runtime's part for people: a specification and a fixture in, messages out.
//!
//! [`run`] starts this same binary as a connector, one process for Validate, one for Apply and one for
//! each session, and speaks the protocol with it. Brokers and registry are embedded in this process
//! unless `--live` asks for the configuration's own. What lands in the topics is read back while it is
//! written, and printed in the end. Documents may also be made from the collections' schemas, as a load; what
//! lands is not read then, and the figures are printed.
//!
//! Threads: the caller's sends requests and waits for responses; `reader` reads the topics; one
//! `connector-log` for each process passes its log on; `generator`s make documents; `progress` tells how far it is;
//! one worker of a tokio runtime serves the embedded registry and waits for signals; librdkafka has its own.

mod avro;
mod connector;
mod digits;
mod error;
mod generate;
mod landed;
mod load;
mod log;
mod message;
mod print;
mod progress;
mod reader;
mod servers;
mod sessions;
mod stop;
pub mod task;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use serde_json::Value;

pub use error::Error;

use self::connector::Launch;
use self::generate::{Batches, Generator, Order};
use self::landed::Landed;
use self::load::Load;
use self::message::{Decoder, Schemas};
use self::print::Summary;
use self::progress::{Counted, Counters, Goal, Progress, Screen, tell};
use self::reader::Reader;
use self::servers::Servers;
use self::sessions::Documents;
use self::stop::{Signal, Stop};
use self::task::source::Source;
use self::task::{BuiltTask, Fixture, Task, TaskBinding};
use crate::config::{Deletions, EndpointConfig, Formats, Resource};
use crate::protocol::Codec;
use crate::protocol::messages::flow;
use crate::registry::Client;
use crate::terminal::{Color, Style};

/// What to preview, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The specification: a flow.yaml or JSON file with collections and materializations.
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// The documents: a line ["collection", {document}] for each, {"commit": true} between transactions;
    /// - is standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "generate", conflicts_with = "generate")]
    pub fixture: Option<PathBuf>,
    /// In place of a fixture: make N documents from the schemas of the collections, send them as fast as they are taken, and
    /// print what it came to. Messages are not read back unless --read-back asks for it.
    #[arg(long, value_name = "N")]
    pub generate: Option<u64>,
    /// What documents are made from besides the schemas: the same documents for the same number.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "generate")]
    pub seed: u64,
    /// Documents of a transaction.
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "generate",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub transaction_size: u64,
    /// Of a hundred documents so many are updates of documents of earlier transactions, some of them deletions where
    /// the schema has _meta/op.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, requires = "generate",
          value_parser = clap::value_parser!(u64).range(..=100))]
    pub updates: u64,
    /// Read the messages of generated documents back, and print them.
    #[arg(long, requires = "generate")]
    pub read_back: bool,
    /// Stop after N documents; the transaction that they end in is committed.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Only the bindings that write to this topic, named as in their resources or with advanced.topic_prefix before it;
    /// may be given several times.
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
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
    /// Whether output is coloured.
    #[arg(long, value_enum, default_value = "auto")]
    pub color: Color,
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

/// Runs a preview and returns the exit status: 0, or 1 after an error, which stderr tells, or a signal's, which has stopped a
/// load.
pub fn run(args: &Args) -> ExitCode {
    let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    // Only a process that logs already refuses this.
    let _kept = tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_max_level(level.unwrap_or(tracing::level_filters::LevelFilter::WARN))
        .with_writer(|| Screen)
        .try_init();
    match preview(args) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(signal)) => ExitCode::from(signal.status()),
        // Whoever read the output has seen enough.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let error = format!("{} {error}", Style::Bad.paint("error:", args.color.wanted(&io::stderr())));
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

/// Gives the signal by which a load was stopped.
fn preview(args: &Args) -> Result<Option<Signal>, Error> {
    let start = Instant::now();
    let source = Source::read(&args.source)?;
    let mut task = Task::new(source.materialization(args.name.as_deref())?)?;
    keep_topics(&mut task, &args.topic)?;
    if task.bindings.is_empty() {
        return Err(Error::NoBindings { task: task.name });
    }
    let counters = Arc::new(Counters::default());
    let mut goal = Goal { documents: args.generate.into_iter().chain(args.limit).min(), fixture: None };
    let fixture = match &args.fixture {
        Some(path) => Some(open(path, &counters, &mut goal)?),
        None => None,
    };
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
    let mut launch = Launch::new(&task.endpoint, codec);
    let (task, topics) = prepare(&launch, task, &servers)?;
    runtime.block_on(servers.number_schemas(&task.spec))?;
    let order = args.generate.map(|documents| Order {
        documents: args.limit.map_or(documents, |limit| limit.min(documents)),
        transaction: args.transaction_size,
        seed: args.seed,
        updates: args.updates,
        codec: launch.codec,
    });
    let reads = order.is_none() || args.read_back;
    let mut reader =
        if reads { Some(Reader::start(servers.read(&topics)?, servers.are_embedded())?) } else { None };
    let documents = match (order, fixture) {
        (Some(order), _) => {
            // The embedded brokers drop what is not read in time, so there one waits for each.
            let batch = if reads && servers.are_embedded() { 1 } else { GENERATED_AT_ONCE };
            Documents::Generated(Batches::start(Generator::new(&task, order, batch)?)?)
        }
        (None, Some(fixture)) => Documents::Fixture(task.transactions(fixture)),
        // The command line asks for one of the two.
        (None, None) => return Ok(None),
    };
    let progress = Progress::start(Arc::clone(&counters), goal, args.color.wanted(&io::stderr()));
    let told = order.map(|_| launch.measure());
    let stop = Stop::default();
    if order.is_some() {
        stop.watch(runtime.handle())?;
    }
    let plan = sessions::Plan {
        launch: &launch,
        task: &task,
        sessions: &args.sessions,
        limit: args.limit.filter(|_| order.is_none()),
        counters: &counters,
        ignores: &ignoring(&servers.endpoint, &task.spec)?,
        reader: reader.as_mut(),
        stop: &stop,
    };
    let mut load = sessions::run(plan, documents)?;
    if let Some(told) = told {
        // Each session's log has been read to its end.
        load.message_bytes = told.message_bytes();
        load.sent_bytes = told.sent_bytes(load.sessions);
    }
    if let Some(reader) = reader {
        let written = reader.written();
        counters.all_are_sent();
        let landed = reader.finish()?;
        // Stdout may be the same terminal.
        drop(progress);
        let messages = landed.messages();
        print(args, &servers, landed, formats_of(&servers.endpoint, &task.spec)?, start, &runtime)?;
        // Real brokers may have messages of others.
        if servers.are_embedded() && messages != written {
            return Err(Error::Count { messages, stores: written });
        }
    } else {
        drop(progress);
    }
    if order.is_some() {
        print_load(args, &load)?;
    }
    Ok(load.stopped_by)
}

/// For each binding, whether nothing is published of a deletion.
fn ignoring(config: &EndpointConfig, spec: &flow::MaterializationSpec) -> Result<Vec<bool>, Error> {
    let of_binding = |binding: &flow::Binding| {
        let resource = Resource::parse(&binding.resource_config_json).map_err(|source| Error::Config {
            place: format!("the binding of topic {:?}", binding.resource_path.join(".")),
            source,
        })?;
        Ok(config.deletions(&resource) == Deletions::Ignore)
    };
    spec.bindings.iter().map(of_binding).collect()
}

/// How the messages of each topic are written, by each of the bindings that write to it.
fn formats_of(
    config: &EndpointConfig,
    spec: &flow::MaterializationSpec,
) -> Result<BTreeMap<String, Vec<Formats>>, Error> {
    let mut formats: BTreeMap<String, Vec<Formats>> = BTreeMap::new();
    for binding in &spec.bindings {
        let (topic, of_binding) = Resource::parse(&binding.resource_config_json)
            .and_then(|resource| Ok((config.topic(&resource)?.name.to_string(), config.formats(&resource)?)))
            .map_err(|source| Error::Config {
                place: format!("the binding of topic {:?}", binding.resource_path.join(".")),
                source,
            })?;
        formats.entry(topic).or_default().push(of_binding);
    }
    Ok(formats)
}

/// Prints the messages that have landed.
fn print(
    args: &Args,
    servers: &Servers,
    landed: Landed,
    formats: BTreeMap<String, Vec<Formats>>,
    start: Instant,
    runtime: &tokio::runtime::Runtime,
) -> Result<(), Error> {
    let summary = Summary::of(&landed, start.elapsed());
    let schemas = match &servers.endpoint.schema_registry {
        Some(registry) if formats.values().flatten().any(Formats::has_schema) => {
            Some(runtime.block_on(Schemas::of(&landed, &Client::new(registry)?))?)
        }
        _ => None,
    };
    let registered = schemas.as_ref().map_or(Ok(Decoder::Json), Schemas::decoder)?;
    let decoder = Decoder::Apart { formats, registered: Box::new(registered) };
    let output = io::stdout();
    let colored = args.color.wanted(&output);
    match args.output {
        Output::Table => print::table(output.lock(), landed, &decoder, print::width(), summary, colored),
        Output::Jsonl => {
            print::jsonl(output.lock(), landed, &decoder)?;
            tell(&summary.line());
            Ok(())
        }
    }
}

/// Prints what a load came to: on stdout where nothing else is there.
fn print_load(args: &Args, load: &Load) -> Result<(), Error> {
    match args.output {
        Output::Table => {
            let blank = if args.read_back { "\n" } else { "" };
            write!(io::stdout(), "{blank}{}", load.text()).map_err(Error::Output)
        }
        Output::Jsonl if args.read_back => {
            tell(&load.json());
            Ok(())
        }
        Output::Jsonl => writeln!(io::stdout(), "{}", load.json()).map_err(Error::Output),
    }
}

/// Leaves the bindings that write to these topics; all, if there are none.
fn keep_topics(task: &mut Task, topics: &[String]) -> Result<(), Error> {
    if topics.is_empty() {
        return Ok(());
    }
    // What is wrong with the configuration or a resource is for the connector to tell, if it is kept.
    let prefix = task.config.pointer("/advanced/topic_prefix").and_then(Value::as_str).unwrap_or_default();
    let topic_of = |binding: &TaskBinding| {
        Resource::parse(binding.resource.to_string().as_bytes())
            .ok()
            .map(|resource| resource.topic.to_string())
    };
    let is_meant = |given: &str, topic: &str| given == topic || given.strip_prefix(prefix) == Some(topic);
    let of_task: Vec<_> = task.bindings.iter().filter_map(topic_of).collect();
    if let Some(unknown) = topics.iter().find(|given| !of_task.iter().any(|topic| is_meant(given, topic))) {
        return Err(Error::UnknownTopic { topic: unknown.clone(), topics: of_task.join(", ") });
    }
    let kept = |binding: &TaskBinding| {
        topic_of(binding).is_some_and(|topic| topics.iter().any(|given| is_meant(given, &topic)))
    };
    let kept: Vec<bool> = task.bindings.iter().map(kept).collect();
    let mut kept = kept.into_iter();
    task.bindings.retain(|_| kept.next().unwrap_or_default());
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

/// Opens the fixture, which counts what is read of it.
fn open(path: &Path, counters: &Arc<Counters>, goal: &mut Goal) -> Result<Fixture<Box<dyn BufRead>>, Error> {
    const BUFFER: usize = 1 << 18;
    let counted = |input: Box<dyn Read>| -> Box<dyn BufRead> {
        Box::new(BufReader::with_capacity(BUFFER, Counted { input, counters: Arc::clone(counters) }))
    };
    if path.as_os_str() == "-" {
        return Ok(Fixture::new("standard input", counted(Box::new(io::stdin()))));
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => {
            // A pipe has no size.
            let size = file.metadata().ok().filter(std::fs::Metadata::is_file);
            goal.fixture = size.map(|metadata| metadata.len());
            Ok(Fixture::new(name, counted(Box::new(file))))
        }
        Err(source) => Err(Error::OpenFixture { path: name, source }),
    }
}

/// Documents that a thread makes before it hands them on.
const GENERATED_AT_ONCE: u64 = 512;

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Proto => Self::Proto,
            CodecName::Json => Self::Json,
        }
    }
}
