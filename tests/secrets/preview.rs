//! What `preview` prints, where it fails and where it does not.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::TASK;
use crate::cases::{Case, assert_silent, logins, secrets};

fn case(folder: &tempfile::TempDir, name: &str, specification: &str, more: &[&str], says: &str) -> Case {
    let path = folder.path().join(format!("{}.yaml", name.replace([' ', ','], "-")));
    let fixture = folder.path().join("fixture.jsonl");
    fs::write(&path, specification).unwrap();
    fs::write(&fixture, "[\"acme/things\",{\"id\":7}]\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["preview", "--source"]).arg(path).arg("--fixture").arg(fixture).args(more);
    command.env("LOG_LEVEL", "trace").env_remove("FLOW_RUNTIME_CODEC");
    Case { name: name.to_owned(), command, input: Vec::new(), says: says.to_owned() }
}

fn specification(config: &Value) -> String {
    TASK.replace("config: {}", &format!("config: {config}"))
}

#[test]
fn previews() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = logins("http://127.0.0.1:1/");
    config["bootstrap_servers"] = json!("127.0.0.1:1");
    config["message_format"] = json!("Avro");
    let right = specification(&config);
    let mut cases = vec![
        case(&folder, "embedded", &right, &[], "things"),
        case(&folder, "embedded, as lines", &right, &["--output", "jsonl"], "things"),
        case(&folder, "live", &right, &["--live"], "127.0.0.1:1"),
        case(&folder, "live in JSON", &right, &["--live", "--codec", "json"], "127.0.0.1:1"),
        case(&folder, "no such task", &right, &["--name", "acme/other"], "error: "),
    ];
    for (name, member, value) in [
        ("a bad number", "topic_partitions", json!(0)),
        ("a bad format", "message_format", json!("XML")),
        ("credentials of a text", "credentials", json!(secrets()[0].text)),
        ("a registry of a text", "schema_registry", json!(secrets()[1].text)),
    ] {
        let mut config = config.clone();
        config[member] = value;
        let specification = specification(&config);
        cases.push(case(&folder, name, &specification, &["--live"], "error: "));
        // Embedded servers have no use for it.
        cases.push(case(&folder, &format!("{name} embedded"), &specification, &[], ""));
    }
    // YAML that is none, on and around the lines with the passwords.
    let at = right.find("kQ7zSasl").unwrap();
    for (name, text) in [
        ("a quote is missing", right.replacen("\"kQ7zSasl", "kQ7zSasl", 1)),
        ("a bad escape", right.replacen("kQ7zSasl", "\\qkQ7zSasl", 1)),
        ("cut within the password", right[..at + 12].to_owned()),
        ("cut after the password", right[..right.find("nV2Sasl").unwrap() + 20].to_owned()),
        ("a brace too many", right.replacen("\"credentials\":{", "\"credentials\":}{", 1)),
        ("the same member twice", right.replacen("\"password\"", "\"username\"", 1)),
        ("a tab and a list", right.replacen("\"credentials\":", "\n\t- \"credentials\":", 1)),
        (
            "an endpoint of a text",
            TASK.replace("config: {}", "config: {}}, other: {a: {")
                .replace("local: {command", &format!("\"{}\": {{command", "kQ7zNoneXw4")),
        ),
        (
            "environment of a list",
            TASK.replace("config: {}", &format!("env: [{}], config: {{}}", json!(secrets()[0].text))),
        ),
        (
            "environment of a number",
            TASK.replace(
                "config: {}",
                &format!("env: {{A: {{B: {}}}}}, config: {{}}", json!(secrets()[0].text)),
            ),
        ),
    ] {
        cases.push(case(&folder, name, &text, &["--live"], "error: "));
    }
    // A secret of the specification's environment is none of the connector's business.
    let env =
        TASK.replace("config: {}", &format!("env: {{TOKEN: {}}}, config: {{}}", json!(secrets()[0].text)));
    cases.push(case(&folder, "an environment", &env, &["--live"], "error: "));
    assert_silent(cases, &secrets());
}
