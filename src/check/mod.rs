//! `materialize-kafka check`: what Validate would find out, step by step, for people and scripts.
//!
//! Each step has a result and, where it failed, a remedy. What needs a step that failed is skipped; brokers and registry are
//! checked independently. Nothing is changed anywhere (but for a transactional id of its own, with `exactly_once`), and nothing that is configured is printed but addresses, names of users' own
//! choosing and what is no secret by its place.

mod brokers;
mod network;
mod report;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use self::report::{Finding, Form, Report};

use crate::config::{EndpointConfig, NewTopic, Resource};
use crate::kafka;
use crate::preview::task::source::{Source, read_value};
use crate::preview::task::{self, Task};
use crate::registry;
use crate::session::{self, Foreseen};
use crate::terminal::Color;

/// What to check.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The endpoint's configuration: a file of JSON or YAML. Without it, that of the specification.
    #[arg(long, value_name = "FILE", required_unless_present = "source")]
    pub config: Option<PathBuf>,
    /// A topic to check as well, named as in a resource or with advanced.topic_prefix before it; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
    /// A specification (flow.yaml or JSON): its bindings and their topics are checked as well.
    #[arg(long, value_name = "FILE")]
    pub source: Option<PathBuf>,
    /// The materialization; needed if the specification has several.
    #[arg(long, value_name = "TASK", requires = "source")]
    pub name: Option<String>,
    /// How to print the results.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Whether results are coloured.
    #[arg(long, value_enum, default_value = "auto")]
    pub color: Color,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line for each step, as soon as it is done
    Text,
    /// One object in the end: {"ok", "checks": [{"check", "subject", "status", "result", "remedy"}]}
    Json,
}

/// Checks a configuration and ends the process: with status 0, or 1 if a step failed. It does not return, because the client that
/// asked may still be going down in the background, and C's exit handlers would take OpenSSL from under it.
pub fn run(args: &Args) -> ! {
    let output = io::stdout();
    let form = match args.output {
        Output::Text => Form::Text { colored: args.color.wanted(&output) },
        Output::Json => Form::Json,
    };
    let mut report = Report::new(output.lock(), form);
    match check(args, &mut report).and_then(|()| report.end()) {
        Ok(ok) => kafka::exit_now(i32::from(!ok)),
        // Whoever read the output has seen enough; what was not printed may have failed.
        Err(error) => {
            let _gone = writeln!(io::stderr(), "error: writing to standard output: {error}");
            kafka::exit_now(1)
        }
    }
}

fn check<W: Write>(args: &Args, report: &mut Report<W>) -> io::Result<()> {
    let (config, task) = match read(args) {
        Ok(read) => read,
        Err(reason) => {
            report.add(Finding::of_message(CONFIGURATION, "", &reason))?;
            return skip_all(&args.topic, report);
        }
    };
    let json = config.to_string();
    let config = match EndpointConfig::parse(json.as_bytes()) {
        Ok(config) => config,
        Err(error) => {
            report.add(Finding::of_message(CONFIGURATION, "", &error.to_string()))?;
            return skip_all(&args.topic, report);
        }
    };
    let registry = if config.schema_registry.is_some() { ", with a schema registry" } else { "" };
    let told =
        format!("{} messages, {}{registry}", config.message_format.as_str(), config.security_protocol());
    report.add(Finding::ok(CONFIGURATION, "", told))?;
    for option in EndpointConfig::unknown_options(json.as_bytes()) {
        report.add(Finding::of_message(CONFIGURATION, "", &option.to_string()).into_warning())?;
    }

    let (mut topics, foreseen) = match &task {
        Some(task) => bindings(&config, task, report).map(|(topics, foreseen)| (topics, Some(foreseen)))?,
        None => (Vec::new(), None),
    };
    for name in &args.topic {
        let prefix = &config.advanced.topics.topic_prefix;
        let bare = name.strip_prefix(prefix.as_str()).filter(|bare| !bare.is_empty()).unwrap_or(name);
        // As a binding's resource that says nothing else of it.
        let resource = json!({ "topic": bare }).to_string();
        match Resource::parse(resource.as_bytes()).and_then(|resource| config.topic(&resource)) {
            Ok(topic) => add_topic(&mut topics, topic),
            Err(error) => {
                report.add(Finding::of_message(TOPIC, name, &error.to_string()))?;
            }
        }
    }
    brokers::check(&config, &topics, report)?;
    self::registry(&config, foreseen.as_deref(), report)
}

/// The endpoint's configuration, and the task if there is a specification.
fn read(args: &Args) -> Result<(Value, Option<Task>), String> {
    let task = match &args.source {
        Some(path) => {
            let read = |path: &Path| Task::new(Source::read(path)?.materialization(args.name.as_deref())?);
            Some(read(path).map_err(|error| error.to_string())?)
        }
        None => None,
    };
    let config = match (&args.config, &task) {
        (Some(path), _) => read_value(path).map_err(|error| match error {
            task::Error::ReadSource { path, source } => {
                format!("cannot read the configuration {path}: {source}")
            }
            other => other.to_string(),
        })?,
        (None, Some(task)) => task.config.clone(),
        // The command line asks for one of the two.
        (None, None) => return Err("there is no configuration; name its file with --config".to_owned()),
    };
    Ok((config, task))
}

/// Checks each binding by itself, then whether they agree. Gives their topics, each once, and what they will have in the registry, as
/// far as it is known.
fn bindings<W: Write>(
    config: &EndpointConfig,
    task: &Task,
    report: &mut Report<W>,
) -> io::Result<(Vec<NewTopic>, Vec<Foreseen>)> {
    let request = task.validate();
    let (mut topics, mut foreseen) = (Vec::<NewTopic>::new(), Vec::new());
    for (binding, checked) in task.bindings.iter().zip(session::check_bindings(config, &request)) {
        let (place, resource) = (&binding.place, binding.resource.to_string());
        let finding = match checked {
            Ok(of_binding) => {
                foreseen.push(of_binding);
                Finding::ok(BINDING, place, format!("reads {}", binding.collection.name))
            }
            Err(error) => Finding::of_message(BINDING, place, &format!("{error:#}")),
        };
        if report.add(finding)?
            && let Ok(resource) = Resource::parse(resource.as_bytes())
            && let Ok(topic) = config.topic(&resource)
        {
            add_topic(&mut topics, topic);
        }
        for option in Resource::unknown_options(resource.as_bytes()) {
            report.add(Finding::of_message(BINDING, place, &option.to_string()).into_warning())?;
        }
    }
    let finding = if foreseen.len() < task.bindings.len() {
        Finding::skipped(BINDINGS, "", format!("not checked, since this failed: {BINDING}"))
    } else {
        match session::check_together(config, &request, &foreseen) {
            Ok(()) => Finding::ok(BINDINGS, "", "they agree on topics and subjects"),
            Err(error) => Finding::of_message(BINDINGS, "", &format!("{error:#}")),
        }
    };
    report.add(finding)?;
    Ok((topics, foreseen))
}

/// Checks the registry, and what bindings will have there.
fn registry<W: Write>(
    config: &EndpointConfig,
    foreseen: Option<&[Foreseen]>,
    report: &mut Report<W>,
) -> io::Result<()> {
    let Some(registry) = &config.schema_registry else {
        report.add(Finding::skipped(REGISTRY, "", "not configured"))?;
        return Ok(());
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.add(Finding::failed(REGISTRY, "", format!("starting its client: {error}"), ""))?;
            return Ok(());
        }
    };
    let client = match registry::Client::new(registry) {
        Ok(client) => client,
        Err(error) => {
            report.add(Finding::of_message(REGISTRY, "", &error.to_string()))?;
            return Ok(());
        }
    };
    let goes_on = match runtime.block_on(client.check(REGISTRY_WITHIN)) {
        Ok(()) => report.add(Finding::ok(REGISTRY, "", "it answers"))?,
        Err(error) => report.add(Finding::of_message(REGISTRY, "", &error.to_string()))?,
    };
    let finding = if goes_on {
        match runtime.block_on(client.count_subjects(REGISTRY_WITHIN)) {
            Ok(count) => Finding::ok(SUBJECTS, "", format!("{count} can be listed")),
            // Who may register need not be allowed to list.
            Err(error) => Finding::of_message(SUBJECTS, "", &error.to_string()).into_warning(),
        }
    } else {
        Finding::skipped(SUBJECTS, "", NO_ANSWER)
    };
    report.add(finding)?;
    let Some(foreseen) = foreseen else { return Ok(()) };
    let finding = if goes_on {
        match runtime.block_on(session::check_schemas(registry, &client, foreseen)) {
            Ok(told) => Finding::ok(SCHEMAS, "", told),
            Err(error) => Finding::of_message(SCHEMAS, "", &format!("{error:#}")),
        }
    } else {
        Finding::skipped(SCHEMAS, "", NO_ANSWER)
    };
    report.add(finding)?;
    Ok(())
}

fn skip_all<W: Write>(topics: &[String], report: &mut Report<W>) -> io::Result<()> {
    let reason = "not checked, since the configuration cannot be used";
    for step in brokers::STEPS {
        report.add(Finding::skipped(step, "", reason))?;
    }
    for topic in topics {
        report.add(Finding::skipped(TOPIC, topic, reason))?;
    }
    for step in [REGISTRY, SUBJECTS] {
        report.add(Finding::skipped(step, "", reason))?;
    }
    Ok(())
}

fn add_topic(topics: &mut Vec<NewTopic>, topic: NewTopic) {
    if topics.iter().all(|other| other.name != topic.name) {
        topics.push(topic);
    }
}

const CONFIGURATION: &str = "configuration";
const BINDING: &str = "binding";
const BINDINGS: &str = "bindings";
const TOPIC: &str = "topic";
const REGISTRY: &str = "schema registry";
const SUBJECTS: &str = "subjects";
const SCHEMAS: &str = "schemas";

const NO_ANSWER: &str = "not checked, since the registry does not answer";

/// How long the registry may take for an answer.
const REGISTRY_WITHIN: Duration = Duration::from_secs(10);
