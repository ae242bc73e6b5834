//! The requests of a process: any sequence of Spec, Validate and Apply, then at most one Open.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Read, Write};

use anyhow::bail;
use tokio::runtime::Handle;
use tracing::warn;

use crate::config::{EndpointConfig, MOST_UNKNOWN_OPTIONS, Resource};
use crate::kafka;
use crate::protocol::messages::{Response, request};
use crate::protocol::{Codec, Incoming, RequestReader, ResponseWriter};
use crate::session::{apply, open, spec, transact, validate};

/// What a session needs of the process around it.
pub struct Surroundings {
    /// Where requests to the registry and to the brokers' controllers run.
    pub runtime: Handle,
    /// Told of the delivery that failed, which the session itself may notice late.
    pub on_failure: Option<OnFailure>,
    /// Whether a read of the input would not wait. As long as it would not, Stores are gathered to larger batches.
    pub input_is_ready: fn() -> bool,
    /// Whether a session ends with a line in the log (level debug) of the bytes that went to the brokers. It is a second longer
    /// then, at most five.
    pub measured: bool,
}

/// Takes the first delivery failure, on whatever thread notices it.
pub type OnFailure = Box<dyn Fn(kafka::Error) + Send + Sync>;

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// Answers requests until the input ends on a frame boundary.
///
/// `codec` is the one that the environment names; none: the first byte decides.
pub fn serve<R: Read, W: Write>(
    input: R,
    mut output: W,
    codec: Option<Codec>,
    surroundings: &mut Surroundings,
) -> anyhow::Result<()> {
    let mut requests = RequestReader::new(input, codec);
    while let Some(request) = requests.next()? {
        let answer = match request {
            Incoming::Spec(_) => Answer::from(spec::spec()),
            Incoming::Validate(request) => {
                warn_of_unknown_options(&request);
                Answer::from(validate::validate(&request, &surroundings.runtime)?)
            }
            Incoming::Apply(request) => Answer::from(apply::apply(&request, &surroundings.runtime)?),
            Incoming::Open(request) => Answer::Session(request),
            other => bail!("{} came before open; expected spec, validate, apply or open", other.name()),
        };
        let codec = requests.codec().unwrap_or(Codec::Proto);
        match answer {
            Answer::Response(response) => ResponseWriter::new(&mut output, codec).send(&response)?,
            Answer::Session(request) => {
                let opened = open::open(&request, codec, surroundings)?;
                return transact::transact(
                    opened,
                    &mut requests,
                    &mut ResponseWriter::new(output, codec),
                    surroundings.input_is_ready,
                );
            }
        }
    }
    Ok(())
}

/// Tells of members that are no options, each once, a few at most: they are accepted, and do nothing.
fn warn_of_unknown_options(request: &request::Validate) {
    let mut told = BTreeSet::new();
    let of_resources =
        request.bindings.iter().flat_map(|binding| Resource::unknown_options(&binding.resource_config_json));
    let unknown = EndpointConfig::unknown_options(&request.config_json).into_iter().chain(of_resources);
    for option in unknown {
        let message = format!("reading the {}: {option}", option.part);
        if told.len() == MOST_UNKNOWN_OPTIONS {
            break;
        }
        if told.insert(message.clone()) {
            warn!("{message}");
        }
    }
}

/// What follows a request.
enum Answer {
    Response(Box<Response>),
    Session(Box<request::Open>),
}

impl<R: Into<Response>> From<R> for Answer {
    fn from(response: R) -> Self {
        Self::Response(Box::new(response.into()))
    }
}
