//! What somebody sees who runs `preview` in a terminal: a pseudo-terminal, and a screen that does what terminals do with the little
//! that is sent to it.

#![allow(clippy::unwrap_used, reason = "it is test code")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};

/// A terminal as its user has it, and as a program gets it.
struct Terminal {
    seen: File,
    program: File,
}

impl Terminal {
    fn of_width(columns: u16) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
        let program = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&program, size).unwrap();
        Self { seen: File::from(user), program }
    }

    fn for_program(&self) -> Stdio {
        self.program.try_clone().unwrap().into()
    }

    /// Reads until `enough` of what was sent so far.
    fn read_until(&mut self, sent: &mut String, enough: impl Fn(&str) -> bool) {
        while !enough(sent) {
            assert_ne!(self.read(sent), 0, "it ended: {sent:?}");
        }
    }

    /// Reads all that is left, once all who write to the terminal have ended.
    fn read_to_end(mut self, sent: &mut String) {
        let (seen, _) = (&mut self.seen, drop(self.program));
        while read(seen, sent) > 0 {}
    }

    fn read(&mut self, sent: &mut String) -> usize {
        read(&mut self.seen, sent)
    }
}

fn read(seen: &mut File, sent: &mut String) -> usize {
    let mut bytes = vec![0; 4096];
    // A terminal that everybody has left gives an error.
    let count = seen.read(&mut bytes).unwrap_or(0);
    bytes.truncate(count);
    while str::from_utf8(&bytes).is_err() {
        // A character comes in parts.
        let mut byte = [0];
        seen.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    sent.push_str(str::from_utf8(&bytes).unwrap());
    bytes.len()
}

/// The lines of a screen without an end, after all of this was sent to it. What it cannot do is refused.
fn screen(sent: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut column = 0;
    let mut rest = sent;
    while let Some(character) = rest.chars().next() {
        let line = lines.last_mut().unwrap();
        let known =
            ["\u{1b}[2K", "\u{1b}[?7l", "\u{1b}[?7h", "\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m"];
        if let Some(sequence) = known.into_iter().find(|sequence| rest.starts_with(sequence)) {
            if sequence == "\u{1b}[2K" {
                line.clear();
                line.push_str(&" ".repeat(column));
            }
            rest = &rest[sequence.len()..];
            continue;
        }
        match character {
            '\r' => column = 0,
            '\n' => {
                lines.push(" ".repeat(column));
            }
            character => {
                assert!(!character.is_control(), "{character:?} in {sent:?}");
                let over = line.char_indices().nth(column).map(|(at, _)| at);
                match over {
                    Some(at) => line.replace_range(at..=at, &character.to_string()),
                    None => line.push(character),
                }
                column += 1;
            }
        }
        rest = &rest[character.len_utf8()..];
    }
    let mut lines: Vec<_> = lines.iter().map(|line| line.trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// A specification of one collection in a folder that goes with the value.
fn specification() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("flow.json");
    let properties = json!({"id": {"type": "integer"}, "text": {"type": "string"}});
    let specification = json!({
        "collections": {"acme/things": {
            "key": ["/id"], "schema": {"type": "object", "required": ["id", "text"], "properties": properties},
        }},
        "materializations": {"acme/task": {
            "endpoint": {"local": {"command": ["unused"], "protobuf": true, "config": {"message_format": "JSON"}}},
            "bindings": [{"source": "acme/things", "resource": {"topic": "things"}}],
        }},
    });
    std::fs::write(&source, specification.to_string()).unwrap();
    (folder, source)
}

fn preview(source: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["preview", "--source"]).arg(source).args(more);
    for variable in ["LOG_LEVEL", "COLUMNS", "FLOW_RUNTIME_CODEC", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm").stdin(Stdio::null());
    command
}

/// Runs a preview of a fixture that ends only when the terminal has shown so many lines of progress. Gives all that was sent to the
/// terminal; `start` says what else it gets.
fn watched(
    terminal: &mut Terminal,
    mut command: Command,
    lines: usize,
    end: &str,
    start: impl FnOnce(Command) -> Child,
) -> (String, Child) {
    command.stdin(Stdio::piped());
    let mut child = start(command);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"[\"acme/things\",{\"id\":7,\"text\":\"seven\"}]\n{\"commit\":true}\n").unwrap();
    let mut sent = String::new();
    // On a busy machine the document may not be sent yet when the first line comes.
    terminal.read_until(&mut sent, |sent| sent.matches("1 document, ").count() >= lines);
    stdin.write_all(end.as_bytes()).unwrap();
    (sent, child)
}

#[test]
fn progress_is_one_line_that_is_drawn_again_and_wiped_in_the_end() {
    let (_folder, source) = specification();
    let mut terminal = Terminal::of_width(80);
    let command = preview(&source, &["--fixture", "-", "--output", "jsonl", "--topic", "things"]);
    let stderr = terminal.for_program();
    let start = |mut command: Command| command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let (mut sent, child) = watched(&mut terminal, command, 3, "", start);

    // Each time over the line before, and without a line below where it is too long.
    for line in sent.split("\r\u{1b}[2K").skip(1) {
        let shown = line
            .strip_prefix("\u{1b}[?7l\u{1b}[2m")
            .and_then(|line| line.strip_suffix("\u{1b}[0m\u{1b}[?7h"));
        // The last one may have come in part.
        assert!(shown.is_some() || sent.ends_with(line), "{line:?}");
    }
    assert!(!sent.contains('\n'), "{sent:?}");
    let shown = screen(&sent[..sent.rfind('\r').unwrap()]);
    assert!(shown.len() == 1 && shown[0].contains("document"), "{shown:?}");

    let output = child.wait_with_output().unwrap();
    terminal.read_to_end(&mut sent);
    assert_eq!(output.status.code(), Some(0));
    let [message] =
        &output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect::<Vec<_>>()[..]
    else {
        unreachable!("one message alone: {:?}", String::from_utf8_lossy(&output.stdout))
    };
    assert_eq!(serde_json::from_slice::<Value>(message).unwrap()["key"], json!({"id": 7}));
    // The summary stands where the line was.
    let left = screen(&sent);
    assert!(left.len() == 1 && left[0].starts_with("1 message in 1 topic, "), "{left:?}");
}

#[test]
fn what_is_told_meanwhile_does_not_stand_in_the_line() {
    let (_folder, source) = specification();
    let mut terminal = Terminal::of_width(80);
    let command = preview(&source, &["--fixture", "-"]);
    let [stdout, stderr] = [terminal.for_program(), terminal.for_program()];
    let start = |mut command: Command| command.stdout(stdout).stderr(stderr).spawn().unwrap();
    let (mut sent, child) = watched(&mut terminal, command, 2, "nonsense\n", start);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
    terminal.read_to_end(&mut sent);
    let left = screen(&sent);
    assert!(left.len() == 1 && left[0].starts_with("error: standard input line 3: "), "{left:?}");
    assert!(sent.contains("\r\u{1b}[2K\u{1b}[31merror:\u{1b}[0m "), "{sent:?}");
}

#[test]
fn the_connectors_log_goes_by_above_the_line() {
    let (_folder, source) = specification();
    let mut terminal = Terminal::of_width(80);
    let mut command = preview(&source, &["--fixture", "-"]);
    command.env("LOG_LEVEL", "debug");
    let [stdout, stderr] = [terminal.for_program(), terminal.for_program()];
    let start = |mut command: Command| command.stdout(stdout).stderr(stderr).spawn().unwrap();
    let end = "[\"acme/things\",{\"id\":8,\"text\":\"eight\"}]\n{\"commit\":true}\n";
    let (mut sent, child) = watched(&mut terminal, command, 2, end, start);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    terminal.read_to_end(&mut sent);
    // The second commit at the latest was told while the line stood there.
    assert!(sent.contains("\r\u{1b}[2Kconnector: DEBUG "), "{sent:?}");
    let left = screen(&sent);
    assert!(!left.iter().any(|line| line.contains("/s, ")), "{left:#?}");
    let committed = "connector: DEBUG the transaction is committed ";
    assert_eq!(left.iter().filter(|line| line.starts_with(committed)).count(), 2, "{left:#?}");
}

#[test]
fn a_load_leaves_its_figures_alone_on_the_screen() {
    let (_folder, source) = specification();
    // So many that the line is drawn at least once before the end.
    for documents in ["20,000", "200,000", "2,000,000"] {
        let terminal = Terminal::of_width(80);
        let mut command = preview(&source, &["--generate", &documents.replace(',', "")]);
        let child = command.stdout(terminal.for_program()).stderr(terminal.for_program()).spawn().unwrap();
        drop(command);
        let mut sent = String::new();
        terminal.read_to_end(&mut sent);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0), "{sent:?}");
        if !sent.contains("/s, ") {
            continue;
        }
        let left = screen(&sent);
        let starts = [
            "rate  ",
            "generator  ",
            "to connector ",
            "messages  ",
            "on the wire  ",
            "commits  ",
            "peak memory  ",
        ];
        // Nothing before them.
        assert!(left[0].starts_with(&format!("{documents} documents in ")), "{left:?}");
        assert_eq!(left.len(), 1 + starts.len(), "{left:?}");
        assert!(left[1..].iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{left:?}");
        return;
    }
    unreachable!("no progress was drawn");
}

#[test]
fn colours_and_width_are_the_terminals() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/orders");
    let source = folder.join("flow.yaml");
    let shown = |width: u16, variables: &[(&str, &str)], more: &[&str]| {
        let terminal = Terminal::of_width(width);
        let mut command = preview(&source, &["--name", "shop/json", "--fixture"]);
        command.arg(folder.join("fixture.jsonl")).args(more).envs(variables.iter().copied());
        let child = command.stdout(terminal.for_program()).stderr(terminal.for_program()).spawn().unwrap();
        drop(command);
        let mut sent = String::new();
        terminal.read_to_end(&mut sent);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0), "{sent:?}");
        sent
    };
    let colours = |sent: &str| sent.contains("\u{1b}[1mtopic ");
    assert!(colours(&shown(100, &[], &[])));
    assert!(!colours(&shown(100, &[], &["--color", "never"])));
    assert!(!colours(&shown(100, &[("NO_COLOR", "1")], &[])));
    assert!(colours(&shown(100, &[("NO_COLOR", "1")], &["--color", "always"])));
    // Nothing is drawn again either.
    let dumb = shown(100, &[("TERM", "dumb")], &[]);
    assert!(!dumb.contains('\u{1b}'), "{dumb:?}");
    for width in [60, 120] {
        let sent = shown(width, &[("TERM", "dumb")], &[]);
        // The summary below it is as long as it is.
        let table = sent.lines().map(str::trim_end).take_while(|line| !line.is_empty());
        let longest = table.map(|line| line.chars().count()).max();
        assert_eq!(longest, Some(usize::from(width)), "{sent}");
    }
}
