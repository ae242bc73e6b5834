//! The results of a check, one after the other, as text or as one JSON object.

use std::io::{self, Write};

use serde::Serialize;

use crate::terminal::{Style, harmless};

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The step's name.
    pub(super) check: &'static str,
    /// What it was about: a server, a topic, a binding; empty where there is only one such thing.
    pub(super) subject: String,
    pub(super) status: Status,
    /// What was found.
    pub(super) result: String,
    /// What to do.
    pub(super) remedy: Option<String>,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// The connector may work, but somebody should look.
    Warning,
    Failed,
    /// There was nothing to do, or what it needs has failed.
    Skipped,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => Style::Good,
            Self::Warning => Style::Doubtful,
            Self::Failed => Style::Bad,
            Self::Skipped => Style::Faint,
        }
    }
}

impl Finding {
    pub(super) fn ok(check: &'static str, subject: impl Into<String>, result: impl Into<String>) -> Self {
        Self { check, subject: subject.into(), status: Status::Ok, result: result.into(), remedy: None }
    }

    pub(super) fn skipped(
        check: &'static str,
        subject: impl Into<String>,
        result: impl Into<String>,
    ) -> Self {
        Self { status: Status::Skipped, ..Self::ok(check, subject, result) }
    }

    pub(super) fn failed(
        check: &'static str,
        subject: impl Into<String>,
        result: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into()).filter(|remedy| !remedy.is_empty());
        Self { status: Status::Failed, remedy, ..Self::ok(check, subject, result) }
    }

    /// The same, where the connector may work all the same.
    pub(super) fn into_warning(self) -> Self {
        Self { status: Status::Warning, ..self }
    }

    /// A failure whose message ends with its remedy, as those of all rooms do: `what; remedy`.
    pub(super) fn of_message(check: &'static str, subject: impl Into<String>, message: &str) -> Self {
        let (result, remedy) = message.rsplit_once("; ").unwrap_or((message, ""));
        Self::failed(check, subject, result, remedy)
    }
}

/// Where findings go.
pub(super) struct Report<W: Write> {
    output: W,
    form: Form,
    findings: Vec<Finding>,
}

/// How findings are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A line for each as soon as it is there.
    Text { colored: bool },
    /// One object in the end.
    Json,
}

impl<W: Write> Report<W> {
    pub(super) fn new(output: W, form: Form) -> Self {
        Self { output, form, findings: Vec::new() }
    }

    /// Adds a finding; says whether the step went well enough for those that need it.
    pub(super) fn add(&mut self, finding: Finding) -> io::Result<bool> {
        if let Form::Text { colored } = self.form {
            let Finding { check, subject, status, result, remedy } = &finding;
            let status = status.style().paint(&format!("{:7}", status.as_str()), colored);
            let about = if subject.is_empty() { String::new() } else { format!("{subject}: ") };
            writeln!(self.output, "{status}  {check:20}  {}", harmless(&format!("{about}{result}")))?;
            if let Some(remedy) = remedy {
                let remedy = Style::Strong.paint(&harmless(remedy), colored);
                writeln!(self.output, "{:31}-> {remedy}", "")?;
            }
            self.output.flush()?;
        }
        let goes_on = finding.status != Status::Failed;
        self.findings.push(finding);
        Ok(goes_on)
    }

    /// Ends the report; says whether nothing failed.
    pub(super) fn end(mut self) -> io::Result<bool> {
        let count = |status| self.findings.iter().filter(|finding| finding.status == status).count();
        let ok = count(Status::Failed) == 0;
        match self.form {
            Form::Text { .. } => {
                let counts = [Status::Ok, Status::Warning, Status::Failed, Status::Skipped]
                    .map(|status| (count(status), status.as_str()))
                    .into_iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, name)| format!("{count} {name}"));
                writeln!(self.output, "\n{}", counts.collect::<Vec<_>>().join(", "))?;
            }
            Form::Json => {
                #[derive(Serialize)]
                struct Whole<'a> {
                    ok: bool,
                    checks: &'a [Finding],
                }
                let whole = Whole { ok, checks: &self.findings };
                serde_json::to_writer_pretty(&mut self.output, &whole)?;
                writeln!(self.output)?;
            }
        }
        self.output.flush()?;
        Ok(ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> [Finding; 4] {
        [
            Finding::ok("configuration", "", "JSON messages"),
            Finding::of_message("login", "", "it said no; check the password"),
            Finding::failed("topic", "a\u{1b}", "gone", "").into_warning(),
            Finding::skipped("topic", "b", "not checked, since login failed"),
        ]
    }

    fn written(form: Form, findings: impl IntoIterator<Item = Finding>) -> (String, bool) {
        let mut output = Vec::new();
        let mut report = Report::new(&mut output, form);
        for finding in findings {
            report.add(finding).unwrap();
        }
        let ok = report.end().unwrap();
        (String::from_utf8(output).unwrap(), ok)
    }

    #[test]
    fn text_has_a_line_for_each_and_one_for_each_remedy() {
        let expected = "\
ok       configuration         JSON messages
failed   login                 it said no
                               -> check the password
warning  topic                 a\u{fffd}: gone
skipped  topic                 b: not checked, since login failed

1 ok, 1 warning, 1 failed, 1 skipped
";
        assert_eq!(written(Form::Text { colored: false }, findings()), (expected.to_owned(), false));
        let (colored, _) = written(Form::Text { colored: true }, findings());
        assert!(colored.contains("\u{1b}[31mfailed \u{1b}[0m  login"), "{colored}");
    }

    #[test]
    fn json_is_one_object() {
        let (json, ok) = written(Form::Json, findings());
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(!ok);
        assert_eq!(value["ok"], false);
        assert_eq!(value["checks"][1]["status"], "failed");
        assert_eq!(value["checks"][1]["remedy"], "check the password");
        assert_eq!(value["checks"][3]["remedy"], serde_json::Value::Null);
    }

    #[test]
    fn warnings_and_what_was_skipped_are_no_failure() {
        let [ok, _, warning, skipped] = findings();
        assert!(written(Form::Json, [ok, warning, skipped]).1);
    }
}
