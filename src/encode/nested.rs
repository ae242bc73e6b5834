//! Stand-in.
use simd_json::{Buffers, Node, StaticNode, Tape};

use super::{number, sink::Sink, text::write_string};

pub(super) struct Nested {
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Nested {
    fn default() -> Self {
        Self { text: Vec::new(), buffers: Buffers::with_max_depth(1024, 127), tape: Tape::null() }
    }
}

impl Nested {
    pub(super) fn parse<R>(&mut self, text: &str, read: impl FnOnce(&[Node<'_>]) -> R) -> Result<R, String> {
        self.text.clear();
        self.text.extend_from_slice(text.as_bytes());
        self.text.resize(text.len() + simd_json::INPUT_PADDING, 0);
        let tape = std::mem::replace(&mut self.tape, Tape(Vec::new()));
        let mut tape = tape.reset();
        simd_json::fill_tape_padded(&mut self.text, text.len(), &mut self.buffers, &mut tape)
            .map_err(|error| error.to_string())?;
        let result = read(&tape.0);
        self.tape = tape.reset();
        Ok(result)
    }
}

pub(super) fn next(tape: &[Node<'_>], at: usize) -> usize {
    match tape.get(at) {
        Some(Node::Object { count, .. } | Node::Array { count, .. }) => at + count + 1,
        _ => at + 1,
    }
}

pub(super) fn write_value<S: Sink>(tape: &[Node<'_>], at: usize, out: &mut S) -> usize {
    match tape.get(at).copied() {
        None => {}
        Some(Node::Static(StaticNode::Null)) => out.put(b"null"),
        Some(Node::Static(StaticNode::Bool(true))) => out.put(b"true"),
        Some(Node::Static(StaticNode::Bool(false))) => out.put(b"false"),
        Some(Node::Static(StaticNode::I64(value))) => number::write_integer(value, out),
        Some(Node::Static(StaticNode::U64(value))) => number::write_integer(value, out),
        Some(Node::Static(StaticNode::F64(value))) => number::write_float(value, out),
        Some(Node::String(value)) => write_string(value, out),
        Some(Node::Array { len, .. }) => {
            out.push(b'[');
            let mut at = at + 1;
            for i in 0..len {
                if i > 0 {
                    out.push(b',');
                }
                at = write_value(tape, at, out);
            }
            out.push(b']');
        }
        Some(Node::Object { len, .. }) => {
            let mut members = std::collections::BTreeMap::new();
            let mut at = at + 1;
            for _ in 0..len {
                if let Some(Node::String(name)) = tape.get(at) {
                    members.insert(*name, at + 1);
                }
                at = next(tape, at + 1);
            }
            out.push(b'{');
            for (i, (name, at)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write_value(tape, at, out);
            }
            out.push(b'}');
        }
    }
    next(tape, at)
}
